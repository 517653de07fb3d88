// SPDX-License-Identifier: Apache-2.0
// Fields with their labels, and buttons that do one thing at a time and say how it went.
import {h} from "./dom.js";
import {forgetErrors, sayError} from "./say.js";

let count = 0;

async function run(button, act, ...args) {
	if (button?.getAttribute("aria-busy"))
		return;
	button?.setAttribute("aria-busy", "true");
	try {
		forgetErrors();
		await act(...args);
	} catch (e) {
		sayError(e);
	} finally {
		button?.removeAttribute("aria-busy");
	}
}

/** A button whose act may be async. What fails is said. Options: danger, less, small, ... */
export function button(words, act, {danger, less, small, ...props} = {}) {
	const style = Object.entries({danger, less, small}).filter(([, on]) => on).map(([k]) => k);
	const b = h("button", {type: "button", class: style.join(" ") || null, ...props,
		onclick: e => run(b, act, e)}, words);

	return b;
}

/** A control with its label and, below it, a hint. The control is any input, select, textarea. */
export function field(label, control, hint = null) {
	const id = control.id || `field-${++count}`;

	control.id = id;
	if (hint)
		control.setAttribute("aria-describedby", `${id}-hint`);
	return h("div", {class: "field"}, h("label", {for: id}, label), control,
		hint ? h("p", {class: "hint", id: `${id}-hint`}, hint) : null);
}

/** A box to tick, with its label behind it. */
export function tick(label, props = {}) {
	return h("label", {class: "tick"}, h("input", {type: "checkbox", ...props}), h("span", label));
}

/** A form whose act gets its FormData and may be async. `more`: buttons beside the one. */
export function form(content, words, act, {danger = false, more = []} = {}) {
	const submit = h("button", {class: danger ? "danger" : null}, words);

	return h("form", {onsubmit: e => {
		e.preventDefault();
		run(submit, act, new FormData(e.target), e.target);
	}}, content, h("div", {class: "buttons"}, submit, more));
}
