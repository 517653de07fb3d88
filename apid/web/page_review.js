// SPDX-License-Identifier: Apache-2.0
// One mail that waits: what the agent wrote beside what will be sent, and the decision. Looking
// changes nothing. What was typed stays on the page whatever comes of it.
import {get, isAbort, path} from "./api.js";
import {countdown} from "./countdown.js";
import {Decision} from "./decide.js";
import {h, replace} from "./dom.js";
import {button, field} from "./form.js";
import {PENDING, endOf, forget, isForgotten, keep, kept, outcome, told} from "./held.js";
import {send} from "./http.js";
import {mailText} from "./mailtext.js";
import {countPending} from "./nav.js";
import {draft, head} from "./review_draft.js";
import {Fields} from "./review_form.js";
import {say} from "./say.js";
import {when} from "./time.js";

const EACH_MS = 15000, KEEP_MS = 300, TITLE_MAX = 100;

const look = async (id, view, signal) =>
	told(await get(path`/api/v1/messages/${id}`, {view}, {signal}));

const cut = text => text.length > TITLE_MAX ? `${text.slice(0, TITLE_MAX)} …` : text;

async function agentOf(m, signal) {
	try {
		return await send("GET", path`/api/v1/agents/${m.agent_id}`, {signal});
	} catch (e) {
		if (isAbort(e))
			throw e;
		return null; // then the end is that of an agent without settings
	}
}

function until(m, agent) {
	const end = endOf(m, agent);

	return h("div", {class: "note"},
		h("p", "It waits until ", when(m.approval_expires_at), ": ", countdown(m.approval_expires_at,
			left => left ? `${left} left, then it is ${end}.`
				: `that is over, and within a minute it is ${end}. Until then you can still decide.`)),
		m.hold_reason === "reply_budget" ? h("p", "It waits because the agent has answered in this ",
			"conversation as often as it may without being asked.") : null);
}

async function nextLink(id, signal) {
	const {messages} = await send("GET", "/api/v1/messages?page_size=2", {signal});
	const next = messages.find(m => m.id !== id);

	return next ? h("a", {class: "act", href: path`#/pending/${next.id}`}, "Go to the next one")
		: "Nothing else waits.";
}

/** What became of it, with the ways from there. kind: the class of the note. */
function ended(m, kind, words = outcome(m)) {
	const ways = h("p", h("a", {href: "#/pending"}, "What waits for you"));
	const left = m.status === "sent" || m.status === "expired_approved";

	if (left)
		ways.append(" · ", h("a", {href: path`#/agents/${m.agent_id}/messages/${m.id}`}, "How it fares"));
	return h("div", {class: `note ${kind}`, tabindex: "-1", role: "status"},
		h("p", h("strong", mailText(words)), m.reviewed_at ? [" ", when(m.reviewed_at)] : null), ways);
}

class Review {
	constructor(main, m, agent, signal) {
		Object.assign(this, {m, signal, timer: null, over: false});
		this.state = h("div", until(m, agent));
		this.fields = new Fields(m, () => this.typed());
		this.reason = h("textarea", {rows: 2, oninput: () => this.typed()});
		this.decision = new Decision(m.id, signal, {
			ended: (found, mine) => this.end(found, mine),
			gone: () => this.sayGone(),
		});
		this.restored = h("div");
		this.heading = h("h2", {id: "sends"}, "What will be sent");
		this.approveButton = button("Approve and send", () => this.approve(), {"aria-keyshortcuts": "Control+Enter"});
		this.undoButton = button("Put everything back", () => this.putBack(), {less: true, hidden: true});
		this.acts = this.actions();
		main.append(this.state, h("div", {class: "columns review"}, draft(m, signal), this.formCard()));
		this.restore();
		this.watch();
	}

	actions() {
		return h("div",
			this.decision.node,
			h("div", {class: "buttons"}, this.approveButton, this.undoButton),
			h("hr"),
			field("Why it is rejected (may be left out)", this.reason, "It is kept with the message; nobody is told."),
			h("div", {class: "buttons"}, button("Reject", () => this.reject(), {danger: true, less: true})),
			h("p", {class: "hint"}, "Keys: Ctrl+Enter approves, with what stands here; in the field for the reason it rejects."));
	}

	formCard() {
		return h("section", {class: "card", "aria-labelledby": "sends"},
			this.heading, this.restored,
			this.fields.node, this.acts);
	}

	key(e) {
		if (e.key !== "Enter" || !(e.ctrlKey || e.metaKey) || e.repeat || this.over ||
			e.target.closest("a, button, summary, dialog"))
			return;
		e.preventDefault();
		const name = e.target === this.reason ? "Reject" : this.approveButton.textContent;
		[...this.acts.querySelectorAll("button")].find(b => b.textContent === name).click();
	}

	// ---- what is typed ----

	get dirty() {
		return !this.over && (this.fields.changed.length > 0 || this.reason.value !== "");
	}

	restore() {
		const was = kept(this.m.id);

		try {
			this.fields.stored = was?.fields ?? {};
			this.reason.value = was?.reason ?? "";
		} catch {
			forget(this.m.id); // another version of this page kept it
		}
		if (this.dirty)
			replace(this.restored, h("p", {class: "note"}, "What you typed before is here again."));
		this.label();
	}

	typed() {
		this.decision.clear();
		this.label();
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.keep(), KEEP_MS);
	}

	keep() {
		clearTimeout(this.timer);
		if (this.dirty)
			keep(this.m.id, {fields: this.fields.stored, reason: this.reason.value});
		else
			forget(this.m.id);
	}

	label() {
		const n = this.fields.changed.length;
		const words = n ? `Approve with ${n === 1 ? "one change" : `${n} changes`}` : "Approve and send";

		if (this.approveButton.textContent !== words)
			this.approveButton.textContent = words;
		this.undoButton.hidden = n === 0;
	}

	putBack() {
		this.fields.parts.forEach(p => p.undo());
		this.fields.mark();
		this.typed();
		this.approveButton.focus();
	}

	// ---- deciding ----

	async approve() {
		this.keep();
		if (this.fields.wrong)
			return this.decision.refuse(this.fields.wrong);
		const edits = this.fields.edits;
		await this.decision.make("approve", Object.keys(edits).length ? edits : null);
	}

	async reject() {
		this.keep();
		await this.decision.make("reject", {reason: this.reason.value.trim()});
	}

	/** `asked`: by the user, who waits for it; else they may be typing, and keep the focus. */
	end(found, mine, asked = true) {
		if (this.over)
			return;
		const lost = mine !== true && this.dirty;
		this.over = true;
		clearTimeout(this.timer);
		forget(this.m.id);
		this.fields.end();
		this.reason.readOnly = true;
		const note = ended(found, mine ? "good" : "bad",
			mine === false ? `Decided already. ${outcome(found)}` : outcome(found));
		if (lost)
			note.append(h("p", mine === null ? "Whether what you typed is in it is not known. " : "What you typed was not sent. ",
				"It stays on this page until you leave it."));
		replace(this.state, note);
		this.acts.remove();
		replace(this.restored);
		replace(this.heading, mine ? "What you decided on" : "What you had here");
		if (!asked)
			say(note.querySelector("strong").textContent);
		if (asked || document.activeElement === document.body)
			note.focus();
		countPending();
		nextLink(this.m.id, this.signal).then(link => note.append(h("p", link))).catch(() => {});
	}

	sayGone() {
		this.end({status: "gone"}, false);
		replace(this.state.querySelector("strong"), "This message no longer exists.");
	}

	// ---- the world outside ----

	watch() {
		const look = () => document.hidden || this.lookOnce();
		const timer = setInterval(look, EACH_MS);
		const {signal} = this;

		document.addEventListener("visibilitychange", look, {signal});
		signal.addEventListener("abort", () => {
			clearInterval(timer);
			if (!this.over)
				this.keep();
		});
		document.addEventListener("keydown", e => this.key(e), {signal});
		addEventListener("beforeunload", e => {
			if (this.dirty && !isForgotten()) {
				this.keep();
				e.preventDefault();
			}
		}, {signal});
	}

	// Without a word when it fails: nobody asked for it.
	async lookOnce() {
		if (this.over || this.decision.under)
			return;
		try {
			const url = `${path`/api/v1/messages/${this.m.id}`}?view=state`;
			const m = told(await send("GET", url, {signal: this.signal}));
			if (m.status !== PENDING && !this.decision.under)
				this.end(m, false, false);
		} catch (e) {
			if (e.status === 404 && !this.decision.under)
				this.sayGone();
		}
	}
}

async function show(main, {id}, {signal, title}) {
	let m;

	try {
		m = await look(id, "review", signal);
	} catch (e) {
		if (e.status !== 404)
			throw e;
		forget(id);
		main.append(h("p", "This message no longer exists."), h("p", h("a", {href: "#/pending"}, "What waits for you")));
		return;
	}
	title(`Review: ${cut(m.subject || "(no subject)")}`);
	if (m.status === PENDING) {
		new Review(main, m, await agentOf(m, signal), signal);
		return;
	}
	forget(id);
	main.append(ended(m, ""), h("section", {class: "card"}, h("h2", "The message"), head(m)));
}

export default {title: () => "Review", show};
