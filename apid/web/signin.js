// SPDX-License-Identifier: Apache-2.0
// Signing in again over the page, when a session has ended in the middle of something. What is
// on the page stays as it is, and what was asked goes on.
import {dialog} from "./dialog.js";
import {h} from "./dom.js";
import {button, field, form} from "./form.js";
import {ABANDONED, ApiError, send} from "./http.js";
import {checkSame, me, whoIs} from "./session.js";
import {wordsOf} from "./say.js";
import {forget, recall, remember} from "./storage.js";

const LOGIN = "/api/auth/login";
const WANTED = "e2a.wanted", WANTED_MS = 15 * 60 * 1000; // a mailed link opens another window

let open = null;

/** Leaves for the sign-in page; comeBack() then finds the way. */
export function leaveToSignIn() {
	if (location.hash.length > 1)
		remember(WANTED, JSON.stringify([Date.now(), location.hash]));
	location.replace(LOGIN);
	return new Promise(() => {});
}

// What is stored may be of another version, or of nobody's making.
function wanted() {
	try {
		const [since, hash] = JSON.parse(recall(WANTED));

		return Date.now() - since < WANTED_MS && hash.startsWith("#/") ? hash : null;
	} catch {
		return null;
	}
}

/** To where one wanted to go before signing in. */
export function comeBack() {
	const hash = wanted();

	forget(WANTED);
	if (hash && location.hash.length < 2)
		history.replaceState(null, "", hash);
}

function byKey(done, wrong) {
	const key = h("input", {type: "password", name: "key", autocomplete: "off", required: true});

	return form(field("API key", key, "One that reaches the whole account."), "Sign in with it",
		async data => {
			wrong.textContent = "";
			try {
				await send("POST", "/api/auth/key", {body: {key: data.get("key").trim()}});
				await done();
			} catch (e) {
				wrong.textContent = wordsOf(e);
			}
		});
}

function content(done, wrong, close) {
	const again = button("I am signed in again", async () => {
		try {
			await done();
		} catch (e) {
			wrong.textContent = e.status === 401 ? "Not yet." : wordsOf(e);
		}
	}, {less: true});

	return h("div",
		h("p", `The session has ended. What you typed is still here: sign in as ${me().email}, `,
			"and it goes on."),
		h("p", h("a", {href: LOGIN, target: "_blank", rel: "noopener"}, "Sign in in another window"),
			", then come back to this one. Or here, with a key:"),
		wrong, byKey(done, wrong),
		h("div", {class: "buttons"}, again, button("Later", () => close(), {less: true})));
}

async function show() {
	const watch = new AbortController();
	const who = await dialog("Sign in again", close => {
		const wrong = h("p", {class: "error", role: "alert"});
		const done = async () => close(await whoIs());
		const look = () => document.hidden || done().catch(() => {});

		// the other window tells when it is done; or the user comes back from it
		for (const [target, event] of [[window, "focus"], [window, "storage"],
			[document, "visibilitychange"]])
			target.addEventListener(event, look, {signal: watch.signal});
		return content(done, wrong, close);
	});

	watch.abort();
	if (!who)
		throw new ApiError(401, "You are signed out.");
	checkSame(who);
}

/** Comes back when the same account is signed in again; throws when the user does not want to. */
export function signInAgain(signal) {
	if (!me())
		return leaveToSignIn();
	open ??= show().finally(() => { open = null; });
	return new Promise((resolve, reject) => {
		signal?.addEventListener("abort", () => reject(ABANDONED()), {once: true});
		open.then(resolve, reject);
	});
}
