// SPDX-License-Identifier: Apache-2.0
// Questions over the page. The browser keeps the focus inside and gives it back (<dialog>).
import {h} from "./dom.js";

let count = 0;

/**
 * Shows a dialog with that heading. `build(close)` gives its content; close(value) ends it.
 * The promise is of that value, undefined when the user closes it by Escape.
 */
export function dialog(title, build) {
	return new Promise(resolve => {
		const id = `dialog-${++count}`;
		let result;
		const close = value => {
			result = value;
			box.close();
		};
		const box = h("dialog", {"aria-labelledby": id}, h("h2", {id}, title), build(v => close(v)));

		box.addEventListener("close", () => {
			box.remove();
			resolve(result);
		});
		document.body.append(box);
		box.showModal();
	});
}

function typedField(typed, button) {
	const field = h("input", {type: "text", autocomplete: "off", spellcheck: "false",
		oninput: () => { button.disabled = field.value.trim() !== typed; }});

	button.disabled = true;
	return h("label", `Type ${typed} to go on`, field);
}

/**
 * Yes or no? The question is words or nodes. Options: yes and no (words of the buttons), danger, text (more words or nodes),
 * typed (what has to be typed first).
 */
export async function ask(question, {yes = "Yes", no = "Cancel", danger = false, text = null,
	typed = ""} = {}) {
	return await dialog(question, close => {
		const button = h("button", {class: danger ? "danger" : null}, yes);

		return h("form", {method: "dialog", onsubmit: e => { e.preventDefault(); close(true); }},
			typeof text === "string" ? h("p", text) : text,
			typed ? typedField(typed, button) : null,
			h("div", {class: "buttons"},
				h("button", {type: "button", class: "less", autofocus: danger,
					onclick: () => close(false)}, no),
				button));
	}) === true;
}
