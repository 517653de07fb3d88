// SPDX-License-Identifier: Apache-2.0
// Whose page this is: the account that was signed in when it was loaded. When the browser is
// signed in as another one meanwhile, in another window say, the two must not mix.
import {dialog} from "./dialog.js";
import {h} from "./dom.js";
import {ApiError, send} from "./http.js";
import {remember} from "./storage.js";

const STORED = "e2a.account"; // tells other windows of this browser

let account = null;
let other = null; // e-mail address of the account that is signed in instead
let asking = null;

/** The account: id, email, name; null before there is one. */
export const me = () => account;

export function setMe(who) {
	account = who;
	remember(STORED, `${who.id} ${Date.now()}`);
}

/** Who is signed in now; ApiError 401 for nobody. */
export const whoIs = signal => send("GET", "/api/auth/me", {signal});

function buttons(close) {
	return h("div", {class: "buttons"},
		h("button", {type: "button", class: "less", onclick: () => close()}, "Look at it first"),
		h("button", {type: "button", onclick: () => location.reload()}, "Load the page"));
}

function tell() {
	asking ??= dialog("Another account is signed in", close => h("div",
		h("p", `This browser is signed in as ${other} now. What you see here belongs to `,
			`${account.email}, and nothing more can be done with it.`),
		h("p", "When you have typed something, copy it before you load the page of the other."),
		buttons(close))).finally(() => { asking = null; });
}

/** Throws, after telling the user, when the browser is signed in as somebody else. */
export function checkSame(who = null) {
	if (who && account && who.id !== account.id)
		other = who.email || "somebody else";
	if (other === null)
		return;
	tell();
	throw new ApiError(403, "Another account is signed in: load the page again.");
}

async function look() {
	if (document.hidden || !account || other !== null)
		return;
	try {
		checkSame(await whoIs());
	} catch {
		// told; or what is asked next finds out
	}
}

export function watchMe() {
	addEventListener("storage", e => e.key === STORED && look());
	document.addEventListener("visibilitychange", look);
	addEventListener("pageshow", e => e.persisted && // back, perhaps after signing out
		whoIs().then(checkSame).catch(error => error.status === 401 && location.reload()));
}
