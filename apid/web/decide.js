// SPDX-License-Identifier: Apache-2.0
// A decision on its way. It is asked for once and repeated under one Idempotency-Key, so that a
// lost answer decides nothing twice. When it is not known whether anything was decided, that is
// looked up before anything is offered again.
import {get, isAbort, path, post} from "./api.js";
import {h, replace} from "./dom.js";
import {PENDING, told} from "./held.js";
import {mailText} from "./mailtext.js";
import {wordsOf} from "./say.js";
import {waitOut} from "./trouble.js";

const WORDS = {
	approve: {under: "Approving …", not: "It was not sent"},
	reject: {under: "Rejecting …", not: "It was not rejected"},
};
const SLOW_MS = 3000;

export class Decision {
	/**
	 * ended(mail, mine): it is decided; mine is true by this one, false otherwise, null when
	 * nobody knows. gone(): there is no such mail.
	 */
	constructor(id, signal, {ended, gone}) {
		Object.assign(this, {id, signal, ended, gone, under: false});
		this.node = h("div", {"aria-live": "polite"});
	}

	refuse(words) {
		const note = h("p", {class: "note bad", role: "alert", tabindex: "-1"}, mailText(words));

		replace(this.node, note);
		note.focus();
	}

	/** What was said is no longer so. */
	clear() {
		if (!this.under && this.node.childElementCount)
			replace(this.node);
	}

	// What the user sees while it takes long.
	underWay(verb, stop) {
		replace(this.node, h("p", WORDS[verb].under));
		return setTimeout(() => this.node.append(h("p", "The server takes its time. ", h("button",
			{type: "button", class: "less small", onclick: () => stop.abort()}, "Stop waiting"))), SLOW_MS);
	}

	/** Asks for it; while that goes on nothing else is. */
	async make(verb, body) {
		if (this.under)
			return;
		const stop = new AbortController();
		const slow = this.underWay(verb, stop);
		this.under = true;
		try {
			await this.ask(verb, body, stop);
		} finally {
			clearTimeout(slow);
			this.under = false;
		}
	}

	async ask(verb, body, stop) {
		const signal = AbortSignal.any([this.signal, stop.signal]);

		try {
			await this.send(verb, body, signal);
			replace(this.node);
			this.ended(await this.look(), true);
		} catch (e) {
			if (this.signal.aborted)
				throw e;
			await this.explain(verb, e);
		}
	}

	// A request that took too long may still be worked on: its answer is worth waiting for.
	async send(verb, body, signal) {
		const key = crypto.getRandomValues(new Uint32Array(4)).join("-");

		for (;;) {
			try {
				return await post(path`/api/v1/messages/${this.id}/${verb}`, body, {signal, key});
			} catch (e) {
				if (e.status !== 409 || !e.text.includes("under way"))
					throw e;
				await waitOut("The server is still at it.", 2, signal);
			}
		}
	}

	async look() {
		return told(await get(path`/api/v1/messages/${this.id}`, {view: "state"}, {signal: this.signal}));
	}

	async explain(verb, e) {
		const known = e.status >= 400 && e.status < 500 && e.status !== 409;

		if (e.status === 404)
			return this.gone();
		if (known)
			return this.refuse(`${WORDS[verb].not}, and still waits: ${wordsOf(e)}`);
		replace(this.node, h("p", "Whether anything was decided is not known. Looking it up …"));
		const m = await this.look();
		if (m.status !== PENDING)
			return this.ended(m, e.status === 409 ? false : null);
		this.refuse(`Nothing was decided, and the message still waits. ${isAbort(e) ? "" : wordsOf(e)}`);
	}
}
