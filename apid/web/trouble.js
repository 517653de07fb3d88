// SPDX-License-Identifier: Apache-2.0
// The line at the top that says what is going on while the server does not answer as it should.
import {byId, h, replace} from "./dom.js";
import {ABANDONED} from "./http.js";

const SLOW_MS = 4000;

const waiting = new Set(); // {text, left: seconds (absent: no attempt is planned), now()}

function text(w) {
	return w.now ? `${w.text} Trying again in ${w.left} s.` : w.text;
}

// The words are those of the latest; "Now" is for all of them.
function show() {
	const place = byId("trouble");
	const last = [...waiting].at(-1);
	const now = () => waiting.forEach(w => w.now?.());

	if (!last)
		replace(place);
	else if (last.now && place.querySelector("button")) // keeps the focus
		place.querySelector("span").textContent = text(last);
	else
		replace(place, h("span", text(last)),
			last.now ? h("button", {type: "button", class: "small", onclick: now}, "Now") : null);
}

/** Says so and waits that long, or until the user does not want to; AbortError by the signal. */
export function waitOut(what, seconds, signal) {
	const w = {text: what, left: Math.ceil(seconds)};

	return new Promise((resolve, reject) => {
		const end = then => {
			clearInterval(tick);
			waiting.delete(w);
			signal?.removeEventListener("abort", leave);
			show();
			then();
		};
		const leave = () => end(() => reject(ABANDONED()));
		const tick = setInterval(() => {
			if (--w.left <= 0)
				w.now();
			else
				show();
		}, 1000);

		w.now = () => end(resolve);
		signal?.addEventListener("abort", leave);
		waiting.add(w);
		show();
	});
}

/** Of a promise that takes long it is said. */
export async function patiently(promise) {
	const w = {text: "The server takes long to answer."};
	const timer = setTimeout(() => {
		waiting.add(w);
		show();
	}, SLOW_MS);

	try {
		return await promise;
	} finally {
		clearTimeout(timer);
		if (waiting.delete(w))
			show();
	}
}
