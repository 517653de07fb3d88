// SPDX-License-Identifier: Apache-2.0
// The account at one look: how each agent and whoever it talks to fare, mail over time, and
// for newcomers the first steps. It keeps itself up to date while somebody can see it.
import {get, path} from "./api.js";
import {h, replace} from "./dom.js";
import {button} from "./form.js";
import {isAbort, send} from "./http.js";
import {WEBHOOK, several} from "./mail_words.js";
import {mailText} from "./mailtext.js";
import {wordsOf} from "./say.js";
import {firstSteps} from "./steps.js";
import {relative, when} from "./time.js";
import {traffic} from "./traffic.js";

const OVERVIEW = "/api/v1/overview";
const AGENTS_MS = 15000, STEPS_MS = 3000, TRAFFIC_EACH = 4; // times that agents are asked for

const badge = (kind, ...words) => h("span", {class: `badge ${kind}`}, words);
const some = (n, capped) => capped ? `more than ${n.toLocaleString("en")}` : n.toLocaleString("en");
const waits = n => `${n} ${n === 1 ? "waits" : "wait"} for a decision`;

/* ---- an agent ---- */

function webhookHealth({agent_mode, email, webhook: w}) {
	if (agent_mode !== "cloud")
		return [];
	const [kind, words] = WEBHOOK[w.state] ?? ["none", w.state];

	return [
		badge(kind, `Webhook ${words}`),
		kind !== "good" && w.failing_since ? h("span", "since ", when(w.failing_since, {ago: true})) : null,
		w.pending && w.state !== "ok" ? h("span", `${some(w.pending, w.pending_capped)} wait`) : null,
		w.failed ? h("a", {href: path`#/agents/${email}/deliveries`},
			badge("bad", `${some(w.failed, w.failed_capped)} given up`)) : null,
	];
}

function openWords({sockets, streams, polls}) {
	return [[sockets, "WebSocket"], [streams, "event stream"], [polls, "waiting list"]]
		.filter(([n]) => n > 0).map(([n, what]) => several(n, what)).join(", ");
}

function listenerHealth({agent_mode, listeners: l}) {
	const open = openWords(l);

	if (open)
		return badge("good", `Listens: ${open}`);
	if (agent_mode === "cloud")
		return null;
	return l.last_at ? [badge("warn", "Nobody listens"), h("span", "last ", when(l.last_at, {ago: true}))]
		: badge("none", "Nobody has listened yet");
}

function counts(a) {
	return [
		h("a", {href: path`#/agents/${a.email}/inbox`}, a.unread ? `${some(a.unread, a.unread_capped)} unread` : "Inbox"),
		a.pending_approval ? h("a", {href: "#/pending"}, badge("warn", waits(a.pending_approval))) : null,
	];
}

function agentContent(a) {
	return [
		h("div", {class: "bar"}, h("a", {class: "mono", href: path`#/agents/${a.email}`}, mailText(a.email)),
			a.name ? h("span", {class: "soft"}, mailText(a.name)) : null, counts(a)),
		h("div", {class: "bar"}, webhookHealth(a), listenerHealth(a),
			h("span", {class: "soft end"}, "Mail in: ", when(a.last_received_at, {ago: true}),
				" · out: ", when(a.last_sent_at, {ago: true}))),
	];
}

// What the user is at stays: a row is written anew only when something in it changed.
function updateRow(row, agent) {
	const text = JSON.stringify(agent), href = document.activeElement?.getAttribute("href");
	const focused = row.contains(document.activeElement);

	if (row.shows === text)
		return row;
	row.shows = text;
	replace(row, agentContent(agent));
	if (focused)
		[...row.querySelectorAll("a")].find(a => a.getAttribute("href") === href)?.focus({preventScroll: true});
	return row;
}

/* ---- all of them ---- */

function agentList() {
	const rows = new Map();
	const list = h("ul", {class: "list agents", "aria-label": "Agents"});
	const empty = h("p", {hidden: true}, "There is no agent yet.");
	const later = h("ul", {class: "list agents", "aria-label": "More agents", hidden: true});
	const more = button("More", () => list.next(), {less: true, hidden: true});
	let token = null;

	function update({agents, next_token}) {
		const order = agents.map(a => {
			rows.has(a.email) || rows.set(a.email, h("li"));
			return updateRow(rows.get(a.email), a);
		});
		if (order.length !== list.childElementCount || order.some((li, i) => li !== list.children[i]))
			replace(list, order);
		empty.hidden = agents.length > 0;
		if (later.hidden)
			token = next_token;
		more.hidden = !token;
		for (const t of list.querySelectorAll("time"))
			t.textContent = relative(new Date(t.dateTime));
	}

	list.next = async () => {
		const page = await get(OVERVIEW, {parts: "agents", token});
		const added = page.agents.map(a => updateRow(h("li", {tabindex: "-1"}), a));

		later.hidden = false;
		later.append(...added);
		added[0]?.focus();
		token = page.next_token;
		more.hidden = !token;
	};
	return {node: h("section", {class: "card", "aria-labelledby": "agents"},
		h("div", {class: "bar"}, h("h2", {id: "agents"}, "Agents"),
			h("a", {class: "act less small end", href: "#/agents"}, "New agent")),
		empty, list, later, more), update};
}

function summary(o) {
	const {agents_total: agents, pending_approval: held, pending_approval_capped: capped} = o;

	return [several(agents, "agent"), " · ", h("a", {href: "#/pending"},
		held ? `${some(held, capped)} ${held === 1 ? "mail waits" : "mails wait"} for a decision`
			: "no mail waits for a decision")];
}

/* ---- by itself ---- */

const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

function seen(signal) {
	return new Promise(resolve => document.hidden
		? document.addEventListener("visibilitychange", () => resolve(), {once: true, signal})
		: resolve());
}

async function every(ms, signal, act) {
	for (;;) {
		await pause(ms);
		await seen(signal);
		if (signal.aborted)
			return;
		await act();
	}
}

// Nobody asked for it, so it asks for nothing: one line says when it does not work.
function quiet(note, signal, again) {
	const fresh = () => {
		if (note.childElementCount)
			replace(note);
	};

	return async (parts, use) => {
		try {
			await use(await send("GET", `${OVERVIEW}?parts=${parts}`, {signal}));
			fresh();
		} catch (e) {
			if (!isAbort(e) && !note.childElementCount)
				replace(note, h("p", {class: "note warn"}, "This is not up to date. ", wordsOf(e), " ",
					button("Update now", again, {less: true, small: true})));
		}
	};
}

export default {
	title: () => "Overview",
	async show(main, params, {signal}) {
		const note = h("div", {role: "status"}), line = h("p", {class: "soft"});
		const counted = get(OVERVIEW, {parts: "traffic"}, {signal}); // of much mail it takes longer
		counted.catch(() => {}); // told below, once
		const [first, info] = await Promise.all([
			get(OVERVIEW, {parts: "agents,first_steps"}, {signal}),
			get("/api/v1/info", null, {signal})]);
		const agents = agentList(), picture = traffic();
		const steps = firstSteps(first, info, signal);
		let round = 0;
		const update = found => {
			agents.update(found);
			replace(line, summary(found));
			steps.update(found);
			if (found.traffic)
				picture.update(found.traffic);
		};
		const ask = quiet(note, signal, async () => update(await get(OVERVIEW, null, {signal})));

		update(first);
		main.append(note, line, steps.node, agents.node, picture.node);
		picture.update((await counted).traffic);
		every(AGENTS_MS, signal, () => ask(++round % TRAFFIC_EACH ? "agents" : "agents,traffic", update));
		every(STEPS_MS, signal, () => steps.wanted() && ask("first_steps", async found => {
			if (steps.update(found))
				await ask("agents,traffic", update);
		}));
	},
};
