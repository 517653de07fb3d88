// SPDX-License-Identifier: Apache-2.0
// How long something still waits. It ticks for those who look at it and is silent otherwise: a
// live region that speaks each second could not be used.
import {h} from "./dom.js";

const DAY = 86400, HOUR = 3600, MINUTE = 60, CLOSE = 5 * MINUTE;

const shown = new Set();
let timer = null;

/** "2 d 3 h", "5 h 12 min", "12 min", "4 min 10 s"; "" when it is over. */
export function left(seconds) {
	const s = Math.max(0, Math.floor(seconds));
	const part = (size, unit) => `${Math.floor(s / size)} ${unit}`;
	const rest = (of, size, unit) => Math.floor(s % of / size) ? ` ${Math.floor(s % of / size)} ${unit}` : "";

	if (s >= DAY)
		return part(DAY, "d") + rest(DAY, HOUR, "h");
	if (s >= HOUR)
		return part(HOUR, "h") + rest(HOUR, MINUTE, "min");
	if (s >= CLOSE)
		return part(MINUTE, "min");
	if (s >= MINUTE)
		return part(MINUTE, "min") + rest(MINUTE, 1, "s");
	return s ? `${s} s` : "";
}

function tick() {
	for (const t of shown)
		if (t.seen && !t.node.isConnected)
			shown.delete(t);
		else
			t.show();
	if (!shown.size)
		timer = clearInterval(timer) ?? null;
}

/** A <span> of what is left until that time; words(left) are those around it. */
export function countdown(iso, words) {
	const end = new Date(iso).getTime();
	const node = h("span", {title: iso});
	const t = {node, seen: false, show() {
		const text = words(left((end - Date.now()) / 1000));

		t.seen ||= node.isConnected;
		if (node.textContent !== text)
			node.textContent = text;
	}};

	t.show();
	shown.add(t);
	timer ??= setInterval(tick, 1000);
	return node;
}
