// SPDX-License-Identifier: Apache-2.0
// Text to be copied elsewhere.
import {h} from "./dom.js";
import {button} from "./form.js";
import {say} from "./say.js";

// Without TLS there is no clipboard; then the user copies what is marked.
async function put(text, shown) {
	try {
		await navigator.clipboard.writeText(text);
		say("Copied.");
	} catch {
		getSelection().selectAllChildren(shown);
		say("Marked: copy it with Ctrl+C.");
	}
}

/** A button that copies; `shown` is the element that holds the text. */
export function copyButton(text, shown, what = "") {
	return button("Copy", () => put(text, shown),
		{less: true, small: true, "aria-label": what ? `Copy ${what}` : null});
}

/** A word as a shell reads it again. */
export function shell(word) {
	return /^[\w@%+:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A text in a box with its button. `what` is for those who do not see which text is meant. */
export function copyable(text, what, {block = false} = {}) {
	const shown = h(block ? "pre" : "code", {tabindex: block ? "0" : null}, text);

	return h("div", {class: block ? "copyable block" : "copyable"}, shown, copyButton(text, shown, what));
}
