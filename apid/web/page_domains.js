// SPDX-License-Identifier: Apache-2.0
// Domains: claim one, publish its records, prove it. What is not found yet is looked for again
// and again while one looks at it, as often as the server lets one.
import {del, get, isAbort, path, post} from "./api.js";
import {ask} from "./dialog.js";
import {DomainCard, unfinished} from "./domain_card.js";
import {h} from "./dom.js";
import {button, field, form} from "./form.js";
import {send} from "./http.js";
import {say} from "./say.js";

const EACH_MS = 30000, LOOKS_MAX = 10, OPEN_MAX = 3;

class Page {
	constructor(main, signal) {
		Object.assign(this, {signal, cards: [], pausedUntil: 0, looking: false});
		this.list = h("div");
		this.none = h("p", {hidden: true}, "You have no domain of your own. Agents can have an address on the ",
			"server's domain, or on one that you claim here.");
		main.append(this.claimForm(), this.none, this.list);
	}

	claimForm() {
		const name = h("input", {type: "text", name: "domain", required: true, autocomplete: "off",
			autocapitalize: "none", spellcheck: "false", placeholder: "example.com"});

		return h("div", {class: "card"}, h("h2", "Another domain"),
			form(field("Domain", name, "You are told what to publish in its DNS."), "Claim it", async () => {
				const d = await post("/api/v1/domains", {domain: name.value.trim()}, {key: true, signal: this.signal});
				name.value = "";
				this.cards.find(c => c.domain.domain === d.domain)?.node.remove();
				this.cards = this.cards.filter(c => c.domain.domain !== d.domain);
				this.add(d, true).heading.focus();
				say(`${d.domain} is claimed. Publish its records, then verify it.`);
			}));
	}

	add(d, first) {
		const open = unfinished(d) && (first || this.cards.filter(c => c.open).length < OPEN_MAX);
		const card = new DomainCard(d, c => this.buttons(c), open);

		card.node.addEventListener("toggle", () => card.open && unfinished(card.domain) && this.look(card));
		this.cards.push(card);
		if (first)
			this.list.prepend(card.node);
		else
			this.list.append(card.node);
		this.none.hidden = true;
		return card;
	}

	buttons(card) {
		const {verified, domain} = card.domain;
		const named = words => ({"aria-label": `${words} ${domain}`});

		return [
			verified ? null : button("Verify", () => this.verify(card), named("Verify")),
			button("Look again", () => this.lookNow(card), {less: true, ...named("Look again at")}),
			button("Make another DKIM key", () => this.rotate(card), {less: true, ...named("Make another DKIM key for")}),
			button("Give it up", () => this.remove(card), {less: true, danger: true, ...named("Give up")}),
		];
	}

	// ---- acts ----

	url(card, rest = "") {
		return path`/api/v1/domains/${card.domain.domain}` + rest;
	}

	async lookNow(card) {
		card.update(await get(this.url(card), null, {signal: this.signal}));
		say("Looked.");
	}

	async verify(card) {
		try {
			await post(this.url(card, "/verify"), null, {signal: this.signal});
			say(`${card.domain.domain} is verified.`);
		} finally {
			await this.look(card);
		}
		card.heading.focus();
	}

	async rotate(card) {
		const sure = await ask(`Make another DKIM key for ${card.domain.domain}?`, {yes: "Make it", text: h("div",
			h("p", "It gets a record of its own, which you publish beside the present one. As soon as that is seen, ",
				"mail is signed with the new key."),
			h("p", "The record of the old key has to stay for some days after that, because mail that it signed is ",
				"under way; until when is told here. Meanwhile there can be no third key."))});

		if (!sure)
			return;
		card.update(await post(this.url(card, "/dkim/rotate"), null, {signal: this.signal}));
		say("There is a new key. Publish its record.");
	}

	async remove(card) {
		const {domain} = card.domain;

		if (!await ask(`Give up ${domain}?`, {yes: "Give it up", danger: true,
			text: "Mail to it is not taken any more, and somebody else may claim it. That works only when it has no agents."}))
			return;
		await del(this.url(card), null, {signal: this.signal});
		card.node.remove();
		this.cards = this.cards.filter(c => c !== card);
		this.none.hidden = this.cards.length > 0;
		(this.cards[0]?.heading ?? document.querySelector("h1")).focus();
		say(`${domain} is given up.`);
	}

	// ---- looking by itself ----

	async look(card) {
		if (Date.now() < this.pausedUntil)
			return;
		try {
			card.update(await send("GET", this.url(card), {signal: this.signal}));
		} catch (e) {
			if (e.status === 429)
				this.pausedUntil = Date.now() + 1000 * (e.retryAfter || 60);
			else if (!isAbort(e) && e.status !== 404 && e.status !== 0)
				console.info(`${card.domain.domain} could not be looked at: ${e.text}`);
		}
	}

	async lookAtAll() {
		if (this.looking)
			return;
		this.looking = true;
		try {
			await this.lookAtOpen();
		} finally {
			this.looking = false;
		}
	}

	async lookAtOpen() {
		for (const card of this.cards.filter(c => c.open && unfinished(c.domain)).slice(0, LOOKS_MAX)) {
			if (document.hidden || this.signal.aborted)
				return;
			await this.look(card);
		}
	}

	watch() {
		const timer = setInterval(() => this.lookAtAll(), EACH_MS);

		document.addEventListener("visibilitychange", () => this.lookAtAll(), {signal: this.signal});
		this.signal.addEventListener("abort", () => clearInterval(timer));
		return this.lookAtAll();
	}
}

async function show(main, params, {signal}) {
	const page = new Page(main, signal);
	const {domains} = await get("/api/v1/domains", null, {signal});

	page.none.hidden = domains.length > 0;
	domains.forEach(d => page.add(d, false));
	page.watch();
}

export default {title: () => "Domains", show};
