// SPDX-License-Identifier: Apache-2.0
// The webhook calls of one mail: how it stands, each attempt, and calling again.
import {get, path, post} from "./api.js";
import {h, replace} from "./dom.js";
import {button} from "./form.js";
import {badge, reasonWords, several} from "./mail_words.js";
import {mailText} from "./mailtext.js";
import {paged} from "./paged.js";
import {say} from "./say.js";
import {when} from "./time.js";

const STATES = {
	none: ["none", "not called", "The webhook was not called with this mail."],
	pending: ["warn", "waits", "The webhook has not taken it yet."],
	delivered: ["good", "delivered", "The webhook has taken it."],
	failed: ["bad", "failed", "The webhook did not take it, and is not called with it any more."],
};
const OUTCOMES = {
	delivered: "taken", deferred: "not taken, called again", failed: "not taken, given up",
	redelivered: "asked for again",
};
const ASKED = {
	redelivered: "The webhook is called with it now.",
	recent: "Somebody asked for that less than five minutes ago.",
	under_way: "The webhook is being called with it right now.",
};

/** The state of a delivery as a badge. */
export function stateBadge(d) {
	const [kind, words] = STATES[d.state] ?? ["", d.state];

	return badge(d.under_way ? "is being called" : words, kind);
}

/** What is known of its last attempt and the next one, in words. */
export function lastWords(d) {
	return [d.attempts ? several(d.attempts, "attempt") : null,
		d.last_error ? reasonWords(d.last_error, d.last_status) : null,
		d.next_attempt_at && !d.under_way ? ["next ", when(d.next_attempt_at, {ago: true})] : null]
		.filter(Boolean).flatMap((part, i) => i ? [" — ", part] : [part]);
}

/** A button that has the webhook called again; then() afterwards. */
export function redeliverButton(email, id, then) {
	return button("Redeliver", async () => {
		const {status} = await post(path`/api/v1/agents/${email}/messages/${id}/redeliver`, null, {key: true});
		say(ASKED[status] ?? status);
		then();
	}, {less: true, small: true});
}

function attempt(e) {
	return h("li",
		h("div", e.attempt ? `Attempt ${e.attempt}: ` : null, OUTCOMES[e.outcome] ?? e.outcome,
			e.error ? [" (", reasonWords(e.error, e.status), ")"] : null),
		h("p", {class: "hint"}, when(e.at), e.status && !e.error ? `, status ${e.status}` : null,
			e.duration_ms === null ? null : `, ${e.duration_ms} ms`, e.by ? `, by the ${e.by}` : null),
		e.answer && h("details", h("summary", "What it answered"), h("pre", mailText(e.answer))));
}

/** The section of a mail's page; nothing for mail that no webhook was ever called with. */
export async function calls(email, id, signal) {
	const url = path`/api/v1/agents/${email}/messages/${id}/deliveries`;
	const section = h("section", {class: "card", hidden: true});

	async function show() {
		const {delivery} = await get(url, {page_size: 1}, {signal});

		section.hidden = delivery.state === "none";
		replace(section, h("h2", "Webhook"),
			h("div", {class: "bar"}, stateBadge(delivery), h("span", lastWords(delivery)),
				h("span", {class: "end"}, redeliverButton(email, id, show))),
			h("p", STATES[delivery.state]?.[2]),
			h("details", h("summary", "Each attempt, newest first"), paged({
				signal, row: attempt, label: "Attempts, newest first", empty: "There was none.",
				load: async token => {
					const page = await get(url, {page_size: 20, token}, {signal});
					return {items: page.log, next: page.next_token};
				},
			})));
	}

	await show();
	return section;
}
