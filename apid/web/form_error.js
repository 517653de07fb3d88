// SPDX-License-Identifier: Apache-2.0
// A form that says itself what was wrong with it, in the words of the server.
import {isAbort} from "./api.js";
import {h, replace} from "./dom.js";
import {form} from "./form.js";
import {mailText} from "./mailtext.js";
import {wordsOf} from "./say.js";

let count = 0;

function blame(control, id) {
	control.setAttribute("aria-invalid", "true");
	control.setAttribute("aria-errormessage", id);
	control.focus();
}

/**
 * As form(). `about`: [pattern, control, words]: what an error is about that matches, and how to
 * say it where the server speaks of fields of the API. The control gets the focus.
 */
export function errorForm(content, words, act, {about = [], ...options} = {}) {
	const id = `form-error-${++count}`;
	const wrong = h("p", {class: "error", role: "alert", id});
	const forget = () => {
		replace(wrong);
		about.forEach(([, control]) => control.removeAttribute("aria-invalid"));
	};

	return form([content, wrong], words, async (...args) => {
		forget();
		try {
			await act(...args);
		} catch (e) {
			if (isAbort(e))
				return;
			const [, control, words] = about.find(([pattern]) => pattern.test(e.text ?? "")) ?? [];

			replace(wrong, mailText(words ?? wordsOf(e)));
			if (control)
				blame(control, id);
		}
	}, options);
}
