// SPDX-License-Identifier: Apache-2.0
// A picture of mail over time: a row of bars for each kind, one below the other, so that
// nothing is told by colour alone; and the same as a table.
import {h, replace, svg} from "./dom.js";
import {when} from "./time.js";

const KINDS = [
	["received", "Received"], ["sent", "Sent"], ["undelivered", "Not delivered"],
];
const SPANS = {
	hours: {words: "48 hours", each: "hour",
		format: new Intl.DateTimeFormat("en", {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
			hourCycle: "h23"})},
	days: {words: "30 days", each: "day",
		format: new Intl.DateTimeFormat("en", {month: "short", day: "numeric", timeZone: "UTC"})},
};
const WIDTH = 10, HEIGHT = 100; // of a bar and its gap, of the picture; it is stretched
const SCALE_MIN = 4; // one mail is not much

const number = n => n.toLocaleString("en");

function bar(value, most, i, words) {
	const height = value ? Math.max(4, value / Math.max(most, SCALE_MIN) * HEIGHT) : 0;

	return svg("rect", {x: i * WIDTH + 1, y: HEIGHT - height, width: WIDTH - 2, height},
		svg("title", `${words}: ${number(value)}`));
}

function lane(kind, name, buckets, {words, each, format}) {
	const values = buckets.map(b => b[kind]);
	const most = Math.max(...values), total = values.reduce((a, b) => a + b, 0);
	const at = i => format.format(new Date(buckets[i].at));
	const id = `traffic-${kind}`;

	return h("div", {class: "lane"},
		h("p", h("b", name), ` ${number(total)}`,
			most ? h("span", {class: "soft"}, ` · at most ${number(most)} in one ${each}`) : null),
		total === 0 ? null : svg("svg", {role: "img", class: kind, viewBox: `0 0 ${buckets.length * WIDTH} ${HEIGHT}`,
			preserveAspectRatio: "none", "aria-labelledby": `${id}-t ${id}-d`},
		svg("title", {id: `${id}-t`}, `${name}, ${words}`),
		svg("desc", {id: `${id}-d`},
			`${number(total)} in all; most, ${number(most)}, at ${at(values.indexOf(most))}.`),
		values.map((v, i) => bar(v, most, i, at(i)))));
}

function axis(buckets, {format}) {
	const places = [0, Math.floor(buckets.length / 2), buckets.length - 1];

	return h("div", {class: "axis soft", "aria-hidden": "true"},
		places.map(i => h("span", format.format(new Date(buckets[i].at)))));
}

function tableOf(buckets, {words, format}) {
	return h("div", {class: "wide", tabindex: "0", role: "group", "aria-label": "Mail over time as a table"},
		h("table", h("caption", {class: "unseen"}, `Mail in the last ${words}`),
			h("thead", h("tr", ["From", ...KINDS.map(([, name]) => name)].map(c => h("th", {scope: "col"}, c)))),
			h("tbody", buckets.toReversed().map(b => h("tr",
				h("th", {scope: "row"}, format.format(new Date(b.at))),
				KINDS.map(([kind]) => h("td", number(b[kind]))))))));
}

/** {node, update(traffic)}; it takes the traffic of an overview. */
export function traffic() {
	const picture = h("div", h("p", {class: "soft"}, "Counting …")), table = h("div"), note = h("p", {class: "soft"});
	const details = h("details", {ontoggle: () => show()}, h("summary", "As a table"), table);
	let found = null, span = "hours", shown = "";
	const choices = Object.entries(SPANS).map(([name, {words}]) =>
		h("button", {type: "button", class: "less small", onclick: () => { span = name; show(); },
			"data-span": name}, words));

	function show() {
		const s = SPANS[span], buckets = found?.[span], text = JSON.stringify([span, details.open, found]);

		if (!found || text === shown)
			return;
		shown = text;
		choices.forEach(b => b.setAttribute("aria-pressed", b.dataset.span === span));
		replace(picture, buckets.some(b => b.received || b.sent || b.undelivered)
			? [KINDS.map(([kind, name]) => lane(kind, name, buckets, s)), axis(buckets, s)]
			: h("p", `No mail in the last ${s.words}.`));
		replace(table, details.open ? tableOf(buckets, s) : null);
		replace(note, found.counted_since
			? ["There is so much mail that it is counted from ", when(found.counted_since), " on."]
			: span === "days" ? "Days are those of UTC." : null);
	}

	return {
		node: h("section", {class: "card traffic", "aria-labelledby": "traffic"},
			h("div", {class: "bar"}, h("h2", {id: "traffic"}, "Mail over time"),
				h("div", {class: "bar end", role: "group", "aria-label": "How far back"}, choices)),
			picture, note, details),
		update(now) {
			found = now;
			show();
		},
	};
}
