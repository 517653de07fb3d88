// SPDX-License-Identifier: Apache-2.0
// Mail that waits, what is over first on top. It keeps itself up to date; a row that one is at
// stays where it is until one leaves it.
import {get, isAbort, path} from "./api.js";
import {countdown} from "./countdown.js";
import {h, replace} from "./dom.js";
import {button} from "./form.js";
import {endOf, kept} from "./held.js";
import {send} from "./http.js";
import {mailText} from "./mailtext.js";
import {countPending} from "./nav.js";
import {say, wordsOf} from "./say.js";
import {when} from "./time.js";

const EACH_MS = 15000, PAGE = 50, REFRESH_MAX = 100;

const order = m => `${m.approval_expires_at} ${m.id}`;

function receivers(m) {
	const [first, ...more] = [...m.to ?? [], ...m.cc ?? [], ...m.bcc ?? []];

	return first ? [mailText(first), more.length ? ` and ${more.length} more` : null] : "nobody";
}

function row(m, agents) {
	const end = endOf(m, agents.get(m.agent_id));

	return h("li", {"data-order": order(m)},
		h("a", {href: path`#/pending/${m.id}`}, mailText(m.subject || "(no subject)")), " ",
		kept(m.id) ? h("span", {class: "badge warn"}, "You began to change it") : null,
		h("div", {class: "soft"}, mailText(m.agent_id), " to ", receivers(m), ", written ",
			when(m.created_at, {ago: true})),
		h("small", countdown(m.approval_expires_at,
			left => left ? `${left} left, then it is ${end}` : `Its time is over: it is being ${end}`)));
}

/** The rows on the page: by id, and in order. */
class Rows {
	constructor(list, agents) {
		Object.assign(this, {list, agents, at: new Map()});
	}

	put(m) {
		const li = row(m, this.agents);
		const next = [...this.list.children].find(c => c.dataset.order > li.dataset.order);

		this.list.insertBefore(li, next ?? null);
		this.at.set(m.id, li);
		return li;
	}

	drop(id) {
		const li = this.at.get(id);

		this.at.delete(id);
		if (!li.contains(document.activeElement))
			return li.remove();
		li.querySelector("small").textContent = "It waits no more.";
		li.addEventListener("focusout", () => li.remove(), {once: true});
	}

	/** What waits up to there; behind it nobody has looked. How many are new? */
	update(messages, whole) {
		const last = whole ? "\uffff" : messages.at(-1).approval_expires_at;
		const there = new Set(messages.map(m => m.id));
		const fresh = messages.filter(m => !this.at.has(m.id));

		for (const [id, li] of this.at)
			if (!there.has(id) && li.dataset.order.split(" ")[0] < last)
				this.drop(id);
		fresh.forEach(m => this.put(m));
		return fresh.length;
	}
}

async function agentsByEmail(signal) {
	const {agents} = await get("/api/v1/agents", null, {signal});

	return new Map(agents.map(a => [a.email, a]));
}

function listOf(main, rows, signal) {
	const count = h("p", {role: "status"});
	const stale = h("p", {class: "soft"});
	const more = button("More", () => next(), {less: true, hidden: true});
	let token = "";

	function settle() {
		const n = rows.at.size;

		const words = token ? `${n} or more messages wait.` : n === 1 ? "One message waits."
			: n ? `${n} messages wait.` : "No message of your agents waits for you.";
		if (count.textContent !== words)
			count.textContent = words;
		more.hidden = !token;
		rows.list.hidden = !rows.list.childElementCount;
	}

	async function next() {
		const page = await get("/api/v1/messages", {page_size: PAGE, token}, {signal});
		const added = page.messages.filter(m => !rows.at.has(m.id)).map(m => rows.put(m));

		if (token)
			added[0]?.querySelector("a").focus();
		token = page.next_token ?? "";
		settle();
	}

	async function refresh() {
		try {
			const size = Math.min(REFRESH_MAX, Math.max(PAGE, rows.at.size));
			const page = await send("GET", `/api/v1/messages?page_size=${size}`, {signal});
			const fresh = rows.update(page.messages, !page.next_token);

			if (!page.next_token)
				token = "";
			replace(stale);
			if (fresh)
				say(fresh === 1 ? "One more message waits." : `${fresh} more messages wait.`);
			settle();
		} catch (e) {
			if (!isAbort(e))
				replace(stale, `This list is not up to date: ${wordsOf(e)}`);
		}
	}

	main.append(count, stale, rows.list, more);
	return {next, refresh};
}

function watch(refresh, signal) {
	const look = () => document.hidden || refresh();
	const timer = setInterval(look, EACH_MS);

	document.addEventListener("visibilitychange", look, {signal});
	signal.addEventListener("abort", () => clearInterval(timer));
}

async function show(main, params, {signal}) {
	const list = h("ul", {class: "list", "aria-label": "What waits", hidden: true});

	main.append(h("p", "These messages of your agents are sent when you approve them."));
	const box = h("div", {class: "card"});
	const {next, refresh} = listOf(box, new Rows(list, await agentsByEmail(signal)), signal);

	await next();
	main.append(box);
	countPending();
	watch(refresh, signal);
}

export default {title: () => "Pending", show};
