// SPDX-License-Identifier: Apache-2.0
// One domain: what to publish for it, and what of that was found. What is found anew is written
// into the card as it stands, so that nobody loses their place.
import {copyable} from "./copy.js";
import {h, replace} from "./dom.js";
import {say} from "./say.js";
import {when} from "./time.js";

const RECORDS = {
	txt: ["TXT", "Proof that it is yours", "It may also stand at _e2a below the domain."],
	mx: ["MX", "Brings its mail here", "No other host may be preferred to it, or as good."],
	dkim: ["TXT", "DKIM, signs your agents' mail", "It is longer than 255 bytes, the longest string in DNS: a record holds several of them."],
	dkim_next: ["TXT", "The next DKIM key", "Publish it beside the present one. As soon as it is seen it signs."],
	dkim_retired: ["TXT", "The DKIM key from before", "Mail that it signed is under way: leave it there until the time below."],
	spf: ["TXT", "SPF, permits this server to send", "If you have such a record, put the part between v=spf1 and all into it."],
	dmarc: ["TXT", "DMARC, tells receivers what to do with forgeries", "A suggestion: any policy will do."],
};
const STATUS = {
	published: ["good", "published"], different: ["bad", "something else is there"],
	missing: ["warn", "not there"], unknown: ["none", "not known"],
};

const known = d => Object.keys(RECORDS).filter(kind => d.dns_records[kind])
	.map(kind => [kind, d.dns_records[kind]]);

/** Is there a record that nobody has found yet? */
export const unfinished = d => !d.verified || known(d).some(([kind, r]) =>
	kind !== "dkim_retired" && r.status !== "published");

function badge(status) {
	const [kind, words] = STATUS[status] ?? ["none", status];

	return h("span", {class: `badge ${kind}`}, words);
}

function checked(r) {
	return r.checked_at ? [" Looked at ", when(r.checked_at), "."] : " Nobody has looked yet.";
}

class Row {
	constructor(d, kind, r) {
		const [type, what, hint] = RECORDS[kind];
		const name = r.host === "@" ? d.domain : `${r.host}.${d.domain}`;

		this.status = h("span", badge(r.status));
		this.checked = h("span", checked(r));
		this.node = h("li", h("h3", what, " ", this.status),
			h("dl", {class: "record"},
				h("dt", "Type"), h("dd", type, r.priority ? `, priority ${r.priority}` : null),
				h("dt", "Name"), h("dd", copyable(r.host, `the name for ${what}`),
					h("small", `that is ${name}`)),
				h("dt", "Value"), h("dd", copyable(r.value, `the value for ${what}`))),
			h("p", {class: "hint"}, hint, this.checked),
			r.needed_until ? h("p", "It is needed until ", when(r.needed_until), ".") : null);
	}

	update(r) {
		replace(this.status, badge(r.status));
		replace(this.checked, checked(r));
	}
}

const shape = d => JSON.stringify(known(d).map(([kind, r]) => [kind, r.host, r.value, r.needed_until]));

export class DomainCard {
	/** `buttons(card)` gives what can be done with it. */
	constructor(d, buttons, open) {
		this.title = h("span");
		this.records = h("ul", {class: "list", "aria-label": `Records of ${d.domain}`});
		this.buttons = h("div", {class: "buttons"});
		this.makeButtons = buttons;
		this.heading = h("h2", {tabindex: "-1"}, d.domain);
		this.node = h("details", {class: "card domain", open},
			h("summary", this.heading, " ", this.title),
			h("p", {class: "soft"}, "Claimed ", when(d.created_at), "."), this.buttons, this.records);
		this.update(d);
	}

	get open() {
		return this.node.open;
	}

	/** What is known of it now. What was looked for before and is another now, is said. */
	update(d) {
		const before = this.domain;

		this.domain = d;
		replace(this.title, d.verified ? h("span", {class: "badge good"}, "verified")
			: h("span", {class: "badge warn"}, "not verified"), " ", this.missing());
		if (before?.verified !== d.verified)
			replace(this.buttons, this.makeButtons(this));
		if (!before || shape(before) !== shape(d)) {
			this.rows = new Map(known(d).map(([kind, r]) => [kind, new Row(d, kind, r)]));
			replace(this.records, [...this.rows.values()].map(row => row.node));
			return;
		}
		for (const [kind, r] of known(d)) {
			const {status} = before.dns_records[kind];

			this.rows.get(kind).update(r);
			if (status !== "unknown" && status !== r.status)
				say(`${d.domain}: ${RECORDS[kind][1]}: ${STATUS[r.status]?.[1] ?? r.status}.`);
		}
	}

	missing() {
		const n = known(this.domain).filter(([kind, r]) => kind !== "dkim_retired" && r.status !== "published").length;

		return n ? h("small", `${n === 1 ? "one record" : `${n} records`} not found so far`)
			: h("small", "all records are published");
	}
}
