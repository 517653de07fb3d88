// SPDX-License-Identifier: Apache-2.0
// What is shown once, until the user says to have it.
import {h, replace} from "./dom.js";
import {button} from "./form.js";

/** Shows a box in `place` and leads the reader there. */
export function showOnce(place, heading, ...content) {
	const box = h("section", {class: "note good", tabindex: "-1", "aria-label": heading},
		h("h2", heading), content,
		h("p", button("Done", () => box.remove(), {less: true, small: true})));

	replace(place, box);
	box.focus();
	box.scrollIntoView({block: "nearest"});
}
