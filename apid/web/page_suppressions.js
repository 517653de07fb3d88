// SPDX-License-Identifier: Apache-2.0
// Addresses that one's agents write to no more, why, and how to take one off the list.
import {del, get, path} from "./api.js";
import {ask} from "./dialog.js";
import {h, replace} from "./dom.js";
import {button, field, form} from "./form.js";
import {mailText} from "./mailtext.js";
import {paged} from "./paged.js";
import {say} from "./say.js";
import {when} from "./time.js";

// RFC 3463
const CODES = {
	"5.1.0": "the address is of no use", "5.1.1": "there is no such mailbox", "5.1.2": "there is no such domain",
	"5.1.3": "the address is malformed", "5.1.6": "the mailbox has moved", "5.1.10": "the domain takes no mail",
	"5.2.0": "the mailbox is of no use", "5.2.1": "the mailbox is switched off",
};

const why = s => CODES[s.code] ?? "mail to it came back";

async function goToMail(s, signal) {
	const m = await get(path`/api/v1/messages/${s.message_id}`, {view: "state"}, {signal});

	location.hash = path`#/agents/${m.agent_id}/messages/${m.id}`;
}

async function remove(s, row, signal) {
	const next = row.nextElementSibling ?? row.previousElementSibling;

	if (!await ask(`Take ${s.address} off the list?`, {yes: "Take it off", text:
		"Your agents can write to it again. When the next mail to it comes back, it is on the list again."}))
		return;
	await del("/api/v1/suppressions", {address: s.address}, {signal});
	row.remove();
	(next?.querySelector("button:last-of-type") ?? document.querySelector("h1")).focus();
	say(`${s.address} is off the list.`);
}

function rowOf(s, signal) {
	const row = h("tr", h("td", mailText(s.address)),
		h("td", why(s), s.code ? ` (${s.code})` : null,
			s.detail ? h("details", h("summary", "What its server said"), mailText(s.detail)) : null),
		h("td", when(s.created_at)),
		h("td", h("div", {class: "bar"},
			s.message_id ? button("The mail", () => goToMail(s, signal),
				{less: true, small: true, "aria-label": `The mail to ${s.address} that came back`}) : null,
			button("Take it off", () => remove(s, row, signal),
				{less: true, small: true, "aria-label": `Take ${s.address} off the list`}))));

	return row;
}

function listOf(address, signal) {
	return paged({
		load: async token => {
			const page = await get("/api/v1/suppressions", {address, token}, {signal});
			return {items: page.suppressions, next: page.next_token};
		},
		row: s => rowOf(s, signal), signal, label: "Suppressed addresses",
		columns: ["Address", "Why", "Since", "What to do"],
		empty: address ? h("span", "Nothing keeps your agents from writing to ", mailText(address), ".")
			: "There is none: no mail of your agents has come back for good.",
	});
}

function show(main, params, {signal}) {
	const box = h("div", {class: "card"});
	const find = h("input", {type: "text", name: "address", autocomplete: "off", inputmode: "email",
		autocapitalize: "none", spellcheck: "false"});
	const list = () => replace(box, listOf(find.value.trim(), signal));

	main.append(
		h("p", "When a mail of your agents comes back because there is no such mailbox or domain, its address is ",
			"put here, and mail to it fails at once from then on, whichever agent sends it: servers take those who go ",
			"on writing to nobody for spammers. A full mailbox, or a server that is away, puts nobody here."),
		form(h("div", {class: "row"}, field("Look for one address", find, "Leave it empty to see all.")), "Look", list),
		box);
	list();
}

export default {title: () => "Suppressions", show};
