// SPDX-License-Identifier: Apache-2.0
// The life of a mail from the ledger, oldest first.
import {get, path} from "./api.js";
import {h} from "./dom.js";
import {reasonWords, recipientWords} from "./mail_words.js";
import {mailText} from "./mailtext.js";
import {paged} from "./paged.js";
import {when} from "./time.js";

// stage:outcome -> [kind, words]
const EVENTS = {
	"ingest:stored": ["good", "Received and stored"],
	"webhook:delivered": ["good", "Taken by the webhook"],
	"webhook:deferred": ["warn", "Not taken by the webhook, which is called again"],
	"webhook:failed": ["bad", "Not taken by the webhook, given up"],
	"webhook:redelivered": ["", "To be delivered again"],
	"outbound:accepted": ["", "Written by the agent"],
	"outbound:held": ["warn", "Held for approval"],
	"outbound:composed": ["", "Made a mail"],
	"outbound:taken": ["good", "Handed to Postfix"],
	"outbound:later": ["warn", "Not taken by Postfix yet, is tried again"],
	"outbound:refused": ["bad", "Not sent: nobody is left who could get it"],
	"outbound:failed": ["bad", "Not sent, given up"],
	"outbound:lost": ["warn", "Postfix may have it: that is looked up"],
	"outbound:unknown": ["warn", "Whether Postfix has it is not known"],
	"outbound:resend": ["", "To be sent again"],
	"hold:approved": ["good", "Approved"],
	"hold:rejected": ["bad", "Rejected"],
	"hold:expired": ["bad", "Discarded: its time was over"],
	"hold:ignored": ["warn", "An answer by mail did not count"],
	"hold:not_told": ["warn", "A reviewer could not be told"],
};
const RECIPIENT = {delivered: "good", failed: "bad", bounced: "bad", deferred: "warn"};
const CHANNELS = {
	api: "by the API", session: "on this dashboard", link: "by a mailed link",
	mail: "by mail", expiry: "because its time was over",
};
const PARTS = {agents: "to agents of this server", world: "to the world outside"};

function wordsOf(e) {
	if (e.stage === "recipient")
		return [RECIPIENT[e.outcome] ?? "", [mailText(e.recipient ?? "A recipient"), ": ",
			recipientWords(e.outcome)]];
	return EVENTS[`${e.stage}:${e.outcome}`] ?? ["", `${e.stage}: ${e.outcome}`];
}

function reasonOf(e) {
	if (e.stage === "hold")
		return CHANNELS[e.reason] ?? e.reason;
	return e.reason && reasonWords(e.reason, e.status);
}

function factsOf(e) {
	const asked = {account: "asked for by the account", operator: "asked for by the operator"};

	return [
		reasonOf(e),
		e.by && (asked[e.by] ?? [e.stage === "hold" ? "by " : "", mailText(e.by)]),
		PARTS[e.part], e.code && `code ${e.code}`,
		e.attempt && `attempt ${e.attempt}`,
		e.duration_ms !== null && `${e.duration_ms} ms`,
	].filter(Boolean).flatMap((fact, i) => i ? [", ", fact] : [fact]);
}

function row(e) {
	const [kind, words] = wordsOf(e), facts = factsOf(e);

	return h("li", {class: kind || null}, h("div", words),
		h("p", {class: "hint"}, when(e.at), facts.length ? [" — ", facts] : null));
}

/** A list of what happened to this mail. */
export function timeline(email, id, signal) {
	const box = paged({
		signal, row, label: "What happened to this mail", empty: "Nothing is known of it any more.",
		load: async token => {
			const page = await get(path`/api/v1/agents/${email}/messages/${id}/history`,
				{page_size: 50, token}, {signal});
			return {items: page.events, next: page.next_token};
		},
	});

	box.classList.add("timeline");
	return box;
}
