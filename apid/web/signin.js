// SPDX-License-Identifier: Apache-2.0
// Signing in again over the page, when a session has ended in the middle of something. What is
// on the page stays as it is, and what was asked goes on.
import {dialog} from "./dialog.js";
import {h} from "./dom.js";
import {field, form} from "./form.js";
import {send} from "./http.js";
import {me, refuseOther, whoIs} from "./session.js";
import {wordsOf} from "./say.js";

const LOGIN = "/api/auth/login", WANTED = "e2a.wanted", LOOK_MS = 2000;

let open = null;

/** Leaves for the sign-in page; comeBack() then finds the way. */
export function leaveToSignIn() {
	if (location.hash.length > 1)
		sessionStorage.setItem(WANTED, location.hash);
	location.replace(LOGIN);
	return new Promise(() => {});
}

/** Where one wanted to go before signing in. */
export function comeBack() {
	const wanted = sessionStorage.getItem(WANTED);

	sessionStorage.removeItem(WANTED);
	if (wanted && location.hash.length < 2)
		history.replaceState(null, "", wanted);
}

function byKey(done) {
	const key = h("input", {type: "password", name: "key", autocomplete: "off", required: true});
	const wrong = h("p", {class: "error", role: "alert"});

	return h("div", wrong, form(field("API key", key, "One that reaches the whole account."),
		"Sign in with the key", async data => {
			wrong.textContent = "";
			try {
				await send("POST", "/api/auth/key", {body: {key: data.get("key").trim()}});
				await done();
			} catch (e) {
				wrong.textContent = e.status === 401 ? "This key does not open an account." : wordsOf(e);
			}
		}));
}

// The other window tells nobody: ask.
function look(done) {
	const timer = setInterval(() => document.hidden || done().catch(() => {}), LOOK_MS);
	const now = () => document.hidden || done().catch(() => {});

	document.addEventListener("visibilitychange", now);
	return () => {
		clearInterval(timer);
		document.removeEventListener("visibilitychange", now);
	};
}

async function show() {
	let stop = () => {};
	const who = await dialog("Sign in again", close => {
		const done = async () => close(await whoIs());

		stop = look(done);
		return h("div",
			h("p", `You are signed out. What you typed is still here; sign in as ${me().email} `,
				"and it goes on."),
			h("p", h("a", {href: LOGIN, target: "_blank", rel: "noopener"},
				"Sign in in another window"), ", then come back to this one. Or here:"),
			byKey(done));
	}, {stays: true});

	stop();
	return who.id === me().id ? who : refuseOther(who.email);
}

/** Comes back when the same account is signed in again. */
export function signInAgain(signal) {
	if (!me())
		return leaveToSignIn();
	open ??= show().finally(() => { open = null; });
	return new Promise((resolve, reject) => {
		signal?.addEventListener("abort",
			() => reject(new DOMException("the page was left", "AbortError")), {once: true});
		open.then(resolve, reject);
	});
}
