// SPDX-License-Identifier: Apache-2.0
// Points in time, as the reader's clock shows them; the exact one is in the title.
import {h} from "./dom.js";

const UNITS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];
const DATE = new Intl.DateTimeFormat("en", {dateStyle: "medium", timeStyle: "short"});
const AGO = new Intl.RelativeTimeFormat("en", {numeric: "auto"});

/** "5 minutes ago", "in 2 days". */
export function relative(date, now = Date.now()) {
	const seconds = (date.getTime() - now) / 1000;
	const [unit, size] = UNITS.find(([, s]) => Math.abs(seconds) >= s) ?? ["second", 1];

	return unit === "second" && Math.abs(seconds) < 10 ? "just now"
		: AGO.format(Math.trunc(seconds / size), unit);
}

/** A <time> of an RFC 3339 text; with {ago: true} relative to now. Absent: `none`. */
export function when(iso, {ago = false, none = "never"} = {}) {
	const date = new Date(iso ?? NaN);

	if (Number.isNaN(date.getTime()))
		return h("span", {class: "soft"}, none);
	return h("time", {datetime: iso, title: ago ? DATE.format(date) : iso},
		ago ? relative(date) : DATE.format(date));
}
