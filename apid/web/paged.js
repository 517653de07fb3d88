// SPDX-License-Identifier: Apache-2.0
// Lists in pages: what there is comes below what is shown, when the user asks for it.
import {isAbort} from "./api.js";
import {h} from "./dom.js";
import {sayError} from "./say.js";
import {dress, frame} from "./table.js";

/**
 * An element that loads its first page at once. load(token, signal) -> {items, next}; row(item)
 * -> <li> or <tr>, whatever `into` takes; empty: words, or nodes. `label` names the list.
 * With `columns` (their names) it is a table, else a list. Its method reload() begins anew.
 */
export function paged({load, row, empty, label, columns = null, signal = null}) {
	const list = columns ? h("tbody") : h("ul", {class: "list", "aria-label": label});
	const shown = columns ? frame(label, columns, list) : list;
	const more = h("button", {type: "button", class: "less", hidden: true, onclick: () => next()}, "More");
	const note = h("p", {class: "soft"}, "Loading …");
	const box = h("div", {class: "paged", "aria-busy": "true"}, shown, note, more);
	let token = "", run = 0;

	function add(items) {
		const rows = items.map(item => columns ? dress(row(item), columns) : row(item));
		const first = list.childElementCount > 0 ? rows[0] : null;

		list.append(...rows);
		if (first) { // go on reading where the button was
			first.tabIndex = -1;
			first.focus();
		}
	}

	function settle(failed) {
		const none = list.childElementCount === 0;

		box.removeAttribute("aria-busy");
		more.removeAttribute("aria-busy");
		more.textContent = failed ? "Try again" : "More";
		more.hidden = !token && !failed;
		shown.hidden = none;
		note.hidden = !none || failed;
		note.replaceChildren(...(none && !token ? [empty] : ["Nothing so far."]));
	}

	async function next() {
		const mine = run;

		if (more.getAttribute("aria-busy"))
			return;
		more.setAttribute("aria-busy", "true");
		try {
			const page = await load(token, signal);
			if (mine !== run)
				return;
			token = page.next ?? "";
			add(page.items);
			settle(false);
		} catch (e) {
			if (isAbort(e) || mine !== run)
				return;
			sayError(e);
			settle(true);
		}
	}

	box.reload = () => {
		run++;
		token = "";
		list.replaceChildren();
		more.removeAttribute("aria-busy");
		return next();
	};
	shown.hidden = true;
	next();
	return box;
}
