// SPDX-License-Identifier: Apache-2.0
// Words to the user: what was done (goes by itself), and what went wrong (stays until read).
import {byId, h, replace} from "./dom.js";
import {isAbort, sentence} from "./http.js";

const SHOWN_MS = 6000;

let timer;

export function say(text) {
	clearTimeout(timer);
	replace(byId("said"), h("p", text));
	timer = setTimeout(() => replace(byId("said")), SHOWN_MS);
}

/** What an error means to the user; "" for one that means nothing. */
export function wordsOf(e) {
	if (isAbort(e))
		return "";
	if (e?.name !== "ApiError") {
		console.error(e);
		return "Something in this page went wrong. Load it again.";
	}
	return sentence(e.text) + (e.retryAfter ? ` Try again in ${e.retryAfter} s.` : "");
}

export function sayError(e) {
	const words = typeof e === "string" ? e : wordsOf(e);

	if (words)
		replace(byId("errors"), h("p", words),
			h("button", {type: "button", class: "small", onclick: forgetErrors}, "Close"));
}

export function forgetErrors() {
	replace(byId("errors"));
}
