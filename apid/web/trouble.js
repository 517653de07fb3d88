// SPDX-License-Identifier: Apache-2.0
// The line at the top that says what is going on while the server does not answer as it should.
import {byId, h, replace} from "./dom.js";

const waiting = new Set();

function text(w) {
	return w.left > 0 ? `${w.text} Trying again in ${w.left} s.` : `${w.text} Trying again …`;
}

// The words are those of the latest; "Now" is for all of them.
function show() {
	const place = byId("trouble");
	const last = [...waiting].at(-1);

	if (!last)
		replace(place);
	else if (place.firstElementChild)
		place.querySelector("span").textContent = text(last);
	else
		replace(place, h("span", text(last)), h("button", {
			type: "button", class: "small", onclick: () => waiting.forEach(w => w.now()),
		}, "Now"));
}

/** Says so and waits that long, or until the user does not want to; AbortError by the signal. */
export function waitOut(what, seconds, signal) {
	const w = {text: what, left: Math.ceil(seconds)};

	return new Promise((resolve, reject) => {
		const tick = setInterval(() => {
			w.left--;
			if (w.left <= 0)
				w.now();
			show();
		}, 1000);
		const end = () => {
			clearInterval(tick);
			waiting.delete(w);
			signal?.removeEventListener("abort", leave);
			show();
		};
		const leave = () => {
			end();
			reject(new DOMException("the page was left", "AbortError"));
		};

		w.now = () => {
			end();
			resolve();
		};
		signal?.addEventListener("abort", leave);
		waiting.add(w);
		show();
	});
}
