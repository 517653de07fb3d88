// SPDX-License-Identifier: Apache-2.0
// One mail that an agent wrote: to whom, and how far it got with each of them.
import {get, path} from "./api.js";
import {h} from "./dom.js";
import {addresses, recipientBadge, recipientWords, subjectOf} from "./mail_words.js";
import {mailText} from "./mailtext.js";
import {when} from "./time.js";
import {timeline} from "./timeline.js";

const TYPES = {send: "a new mail", reply: "an answer", test: "a test of the agent"};
const KINDS = {to: "To", cc: "Cc", bcc: "Bcc"};

const row = (name, ...value) => [h("dt", name), h("dd", value)];

function waits(m) {
	return h("p", {class: "note warn"}, "It waits for approval. ",
		h("a", {href: path`#/pending/${m.id}`}, "Read it and decide"));
}

const DECIDED = {
	rejected: "It was rejected, and not sent.",
	expired_rejected: "Nobody decided in time, so it was not sent.",
};

function decided(m) {
	return DECIDED[m.status] && h("p", {class: "note bad"}, DECIDED[m.status],
		m.rejection_reason ? [" ", mailText(m.rejection_reason)] : null);
}

function head(m) {
	const list = (name, all) => all?.length ? row(name, addresses(all)) : null;

	return h("section", {class: "card"}, h("h2", "Mail"), h("dl",
		row("From", mailText(m.agent_id)), list("To", m.to), list("Cc", m.cc), list("Bcc", m.bcc),
		row("Written", when(m.created_at)), row("Kind", TYPES[m.type] ?? m.type ?? "a mail"),
		m.conversation_id ? row("Conversation", h("a",
			{href: `${path`#/agents/${m.agent_id}/inbox`}?${new URLSearchParams({conversation_id: m.conversation_id})}`},
			mailText(m.conversation_id))) : null,
		m.provider_message_id ? row("Message-ID", h("code", mailText(m.provider_message_id))) : null),
	m.status === "pending_approval" ? null
		: h("p", {class: "hint"}, "What it said is not kept once it has left, or was refused."));
}

function recipient(r) {
	return h("li", h("div", {class: "bar"}, mailText(r.address), recipientBadge(r.status)),
		h("p", {class: "hint"}, KINDS[r.kind] ?? r.kind, ", ", recipientWords(r.status), " ",
			when(r.updated_at), r.code ? `, code ${r.code}` : null),
		r.detail ? h("p", {class: "hint"}, mailText(r.detail)) : null);
}

export async function showSent(main, email, id, {signal, title}) {
	const m = await get(path`/api/v1/messages/${id}`, null, {signal});

	title(subjectOf(m));
	main.append(m.status === "pending_approval" ? waits(m) : decided(m) ?? "", head(m));
	if (m.recipients)
		main.append(h("section", {class: "card"}, h("h2", "Recipients"),
			h("ul", {class: "list", "aria-label": "Recipients"}, m.recipients.map(recipient))));
	main.append(h("section", {class: "card"}, h("h2", "What happened to it"), timeline(email, id, signal)));
}
