// SPDX-License-Identifier: Apache-2.0
// Tables, which become a card for each row where the window is narrow (app.css). The roles are
// written down because the style takes them away.
import {h} from "./dom.js";

/** Gives the cells of a <tr> the names of their columns. */
export function dress(row, columns) {
	row.setAttribute("role", "row");
	[...row.cells].forEach((cell, i) => {
		cell.setAttribute("role", "cell");
		if (columns[i])
			cell.dataset.label = columns[i];
	});
	return row;
}

/** A table around a <tbody>. A column without a name is for buttons. */
export function frame(label, columns, body) {
	body.setAttribute("role", "rowgroup");
	return h("div", {class: "wide"}, h("table", {role: "table", "aria-label": label},
		h("thead", {role: "rowgroup"}, h("tr", {role: "row"},
			columns.map(c => h("th", {scope: "col", role: "columnheader"},
				c || h("span", {class: "unseen"}, "Actions"))))),
		body));
}

/** A whole table; rows are <tr>. */
export function table(label, columns, rows) {
	return frame(label, columns, h("tbody", rows.map(r => dress(r, columns))));
}
