// SPDX-License-Identifier: Apache-2.0
// Whose page this is: the account that was signed in when it was loaded. When the browser is
// signed in as another one meanwhile, in another window say, the two must not mix.
import {dialog} from "./dialog.js";
import {h} from "./dom.js";
import {send} from "./http.js";

const STORED = "e2a.account"; // tells other windows of this browser

let account = null, asking = null;

/** The account: id, email, name; null before there is one. */
export const me = () => account;

export function setMe(who) {
	account = who;
	localStorage.setItem(STORED, who.id);
}

/** Who is signed in now; ApiError 401 for nobody. */
export const whoIs = signal => send("GET", "/api/auth/me", {signal});

/** Never comes back: the page has to be loaded again. */
export function refuseOther(email) {
	asking ??= dialog("Another account is signed in", () => h("div",
		h("p", `This browser is signed in as ${email || "somebody else"} now. What you see here `,
			`belongs to ${account.email}, and nothing of it was changed.`),
		h("p", "Copy what you want to keep, then load the page again."),
		h("div", {class: "buttons"},
			h("button", {type: "button", onclick: () => location.reload()}, "Load again"))),
	{stays: true});
	return new Promise(() => {});
}

/** Is the account still the same? */
export async function checkMe() {
	if (document.hidden || !account)
		return;
	try {
		const who = await whoIs();
		if (who.id !== account.id)
			refuseOther(who.email);
	} catch {
		// what is asked next finds out
	}
}

export function watchMe() {
	addEventListener("storage", e => {
		if (e.key === STORED && e.newValue && account && e.newValue !== account.id)
			checkMe();
	});
	document.addEventListener("visibilitychange", checkMe);
}
