// SPDX-License-Identifier: Apache-2.0
// The latest mail of an agent, and what arrives: over the WebSocket for an agent in local mode,
// else over its event stream. Only what is new comes that way; what it missed is in the list,
// which is read whenever it is connected. Nothing is marked read.
import {get, path} from "./api.js";
import {h, replace} from "./dom.js";
import {button} from "./form.js";
import {send} from "./http.js";
import {mailText} from "./mailtext.js";
import {when} from "./time.js";

const ROWS_MAX = 50, FIRST_S = 1, MOST_S = 30, OPEN_MS = 15000, HIDDEN_MS = 5 * 60000;
const GATHER_MS = 100, TELL_MS = 5000, LOOK_AFTER = 2;

const WORDS = {
	connecting: "Connecting …",
	live: "Connected: mail appears here when it arrives. Nothing is marked read.",
	lost: "Not connected. Trying again …",
	paused: "Paused. Mail is stored all the same.",
	hidden: "Paused, because this window was out of sight.",
	out: "Not connected: you are signed out.",
	gone: "This agent is not there any more.",
};

// The list tells whole seconds only: of one second what is added last is the newest.
const order = m => String(m.received_at ?? m.created_at).slice(0, "2026-01-15T10:40:00".length);

/** open(), notice(data), lost(again): again is false when it was ended for good reason. */
function openSocket(url, on) {
	const socket = new WebSocket(location.origin.replace(/^http/, "ws") + url);

	socket.onopen = on.open;
	socket.onmessage = e => on.notice(e.data);
	socket.onclose = e => on.lost(e.code === 1008);
	return () => {
		socket.onmessage = socket.onclose = null;
		socket.onopen = () => socket.close(); // before that a browser complains
		if (socket.readyState === WebSocket.OPEN)
			socket.close();
	};
}

function openStream(url, on) {
	const source = new EventSource(url);

	source.onopen = on.open;
	source.addEventListener("message", e => on.notice(e.data));
	source.onerror = () => on.lost(false);
	return () => source.close();
}

function parsed(data) {
	try {
		const notice = JSON.parse(data);

		return typeof notice?.message_id === "string" ? notice : null;
	} catch {
		return null;
	}
}

class Tail {
	constructor(agent, signal, changed) {
		this.agent = agent;
		this.signal = signal;
		this.changed = changed;
		this.shown = []; // newest first: {id, at, row}
		this.waiting = [];
		this.fresh = this.failures = 0;
		this.close = () => {};
		this.state = h("p", {class: "soft", role: "status"});
		this.told = h("p", {class: "unseen", role: "status"});
		this.list = h("ul", {class: "list tail", "aria-label": "Latest mail"});
		this.empty = h("p", {class: "soft"}, "No mail so far.");
		this.toggle = button("Pause", () => this.pause(), {less: true, small: true});
		this.again = button("Try now", () => {
			this.failures = LOOK_AFTER - 1; // if it fails, say why
			this.connect();
		}, {less: true, small: true, hidden: true});
		this.node = h("div", h("div", {class: "bar"}, this.state,
			h("div", {class: "bar end"}, this.again, this.toggle)), this.told, this.list, this.empty);
		this.watch();
	}

	watch() {
		const seen = () => document.hidden ? this.hideLater() : this.comeBack();

		document.addEventListener("visibilitychange", seen);
		this.signal.addEventListener("abort", () => {
			document.removeEventListener("visibilitychange", seen);
			this.stop("paused");
		});
	}

	say(state) {
		this.is = state;
		this.state.dataset.state = state;
		replace(this.state, WORDS[state]);
		this.again.hidden = state !== "lost" && state !== "out";
		this.toggle.hidden = state === "gone" || state === "out";
		this.toggle.textContent = state === "paused" || state === "hidden" ? "Go on" : "Pause";
	}

	stop(state) {
		for (const timer of [this.timer, this.opening, this.hiding])
			clearTimeout(timer);
		this.close();
		this.close = () => {};
		this.say(state);
	}

	pause() {
		if (this.is === "paused" || this.is === "hidden")
			this.connect();
		else
			this.stop("paused");
	}

	hideLater() {
		clearTimeout(this.hiding);
		this.hiding = setTimeout(() => ["live", "lost", "connecting"].includes(this.is) &&
			this.stop("hidden"), HIDDEN_MS);
	}

	comeBack() {
		clearTimeout(this.hiding);
		if (this.is === "hidden")
			this.connect();
	}

	connect() {
		const local = this.agent.agent_mode === "local";
		const url = `${path`/api/v1/agents/${this.agent.email}/`}${local ? "ws" : "events"}?new=1`;
		const mine = {};

		this.stop("connecting");
		this.run = mine;
		const still = act => (...args) => this.run === mine && !this.signal.aborted && act(...args);
		this.close = (local ? openSocket : openStream)(url, {
			open: still(() => this.opened()),
			notice: still(data => this.take(parsed(data))),
			lost: still(refused => this.lose(refused)),
		});
		this.opening = setTimeout(still(() => this.lose(false)), OPEN_MS);
	}

	async opened() {
		clearTimeout(this.opening);
		this.say("live");
		try {
			const {messages} = await get(path`/api/v1/agents/${this.agent.email}/messages`,
				{status: "all", sort: "desc", page_size: ROWS_MAX}, {signal: this.signal});

			this.failures = 0;
			this.fill(messages);
		} catch {
			if (!this.signal.aborted)
				this.lose(true);
		}
	}

	lose(refused) {
		this.failures++;
		this.stop("lost");
		this.run = null;
		const wait = Math.min(FIRST_S * 2 ** (this.failures - 1), MOST_S) * (0.75 + Math.random() / 2);

		this.timer = setTimeout(() => this.connect(), wait * 1000);
		if (refused || this.failures % LOOK_AFTER === 0)
			this.look();
	}

	// A browser does not say why it got no connection.
	async look() {
		const url = path`/api/v1/agents/${this.agent.email}`, options = {signal: this.signal};

		try {
			const agent = await send("GET", url, options).catch(e =>
				e.status === 401 ? this.signIn(url, options) : Promise.reject(e));

			if (agent.agent_mode !== this.agent.agent_mode)
				this.changed(agent);
		} catch (e) {
			if (e.status === 401)
				this.stop("out");
			else if (e.status === 403 || e.status === 404)
				this.stop("gone");
		}
	}

	async signIn(url, options) {
		clearTimeout(this.timer);
		const agent = await get(url, null, options); // asks
		this.connect();
		return agent;
	}

	/** Another mode is another way. */
	update(agent) {
		const other = agent.agent_mode !== this.agent.agent_mode;

		this.agent = agent;
		if (other && this.is !== "paused")
			this.connect();
	}

	// Many may come at once: shown together, and no more of them than there is room for.
	take(notice) {
		if (!notice)
			return this.lose(false);
		this.waiting.push(notice);
		if (this.waiting.length > ROWS_MAX)
			this.waiting.shift();
		this.gather ??= setTimeout(() => {
			const all = this.waiting;

			this.gather = null;
			this.waiting = [];
			this.tell(all.filter(n => this.add(n, true)).length);
		}, GATHER_MS);
	}

	fill(messages) {
		const before = this.shown.length > 0;

		this.tell(messages.reverse().filter(m => this.add(m, before)).length * before);
		this.empty.hidden = this.shown.length > 0;
	}

	// True unless it is there, or too old to be.
	add(m, fresh) {
		const at = order(m), id = m.message_id;
		const place = this.shown.findIndex(s => s.at <= at);
		const index = place < 0 ? this.shown.length : place;

		if (index >= ROWS_MAX || this.shown.some(s => s.id === id))
			return false;
		const row = this.rowOf(m, fresh);
		this.list.insertBefore(row, this.shown[index]?.row ?? null);
		this.shown.splice(index, 0, {id, at, row});
		this.shown.splice(ROWS_MAX).forEach(s => s.row.remove());
		this.empty.hidden = true;
		return true;
	}

	rowOf(m, fresh) {
		return h("li", {class: fresh ? "fresh" : null},
			h("a", {href: path`#/agents/${this.agent.email}/messages/${m.message_id}`},
				m.subject ? mailText(m.subject) : "(no subject)"),
			h("span", mailText(m.from)), when(m.received_at ?? m.created_at));
	}

	// Not each by itself: a reader that reads aloud would do nothing else.
	tell(count) {
		this.fresh += count;
		if (!this.fresh || this.telling)
			return;
		replace(this.told, this.fresh === 1 ? "One new message." : `${this.fresh} new messages.`);
		this.fresh = 0;
		this.telling = setTimeout(() => {
			this.telling = null;
			this.tell(0);
		}, TELL_MS);
	}
}

/** node, update(agent). changed(agent) is called when it finds another mode. */
export function tailOf(agent, signal, changed) {
	const tail = new Tail(agent, signal, changed);

	tail.connect();
	return tail;
}
