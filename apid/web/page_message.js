// SPDX-License-Identifier: Apache-2.0
// One mail, received or sent. Looking at it does not mark it read: that is the agent's to do.
import {agentTabs} from "./agent_tabs.js";
import {get, path} from "./api.js";
import {h} from "./dom.js";
import {addresses, subjectOf} from "./mail_words.js";
import {mailText} from "./mailtext.js";
import {attachments, body, saveButton} from "./message_body.js";
import {calls} from "./message_calls.js";
import {showSent} from "./message_sent.js";
import {when} from "./time.js";
import {timeline} from "./timeline.js";
import {verified} from "./verified.js";

const READ_MS = 120_000; // a mail of many megabytes, over a slow line

const row = (name, ...value) => [h("dt", name), h("dd", value)];

function list(name, all) {
	return all?.length ? row(name, addresses(all)) : null;
}

function program(m) {
	const signs = [m.auto_submitted && m.auto_submitted !== "no" && ["Auto-Submitted: ", mailText(m.auto_submitted)],
		m.precedence && ["Precedence: ", mailText(m.precedence)],
		m.list && ["a mailing list", m.list.id ? [" (", mailText(m.list.id), ")"] : null]].filter(Boolean);

	return signs.length ? row("No human", signs.flatMap((s, i) => i ? [", ", s] : [s])) : null;
}

function head(email, m) {
	return h("section", {class: "card"}, h("h2", "Mail"),
		h("dl", row("From", mailText(m.from || "(no sender)")), list("To", m.to), list("Cc", m.cc),
			list("Reply-To", m.reply_to), row("Received", when(m.created_at)),
			row("Dated", when(m.date, {none: "no date that can be read"})), row("Status", m.status), program(m),
			m.conversation_id ? row("Conversation", h("a", {href:
				`${path`#/agents/${email}/inbox`}?${new URLSearchParams({conversation_id: m.conversation_id})}`},
			mailText(m.conversation_id))) : null),
		h("details", h("summary", "More of its header"), h("dl",
			row("Subject", mailText(m.subject)),
			row("Message-ID", h("code", mailText(m.email_message_id ?? "none"))),
			m.in_reply_to ? row("In-Reply-To", h("code", mailText(m.in_reply_to))) : null,
			m.references.length ? row("References", m.references.map(r => h("div", h("code", mailText(r))))) : null,
			row("Recipient", mailText(m.recipient)), row("Id here", h("code", m.message_id)))));
}

async function showReceived(main, email, id, {signal, title}) {
	const m = await get(path`/api/v1/agents/${email}/messages/${id}`, {peek: 1}, {signal, timeout: READ_MS});

	title(subjectOf(m));
	main.append(
		h("section", {class: "card"}, h("h2", "Who sent it"), verified(m)),
		head(email, m),
		h("section", {class: "card"}, h("div", {class: "bar"}, h("h2", "What it says"),
			h("span", {class: "end"}, saveButton(m))), body(email, m)),
		attachments(email, m) ?? "",
		await calls(email, id, signal),
		h("section", {class: "card"}, h("h2", "What happened to it"), timeline(email, id, signal)));
}

export default {
	title: () => "Mail",
	async show(main, {email, id}, ctx) {
		const {direction} = await get(path`/api/v1/agents/${email}/messages/${id}/history`, {page_size: 1}, ctx);

		main.append(agentTabs(email, direction === "inbound" ? "/inbox" : "/sent"));
		await (direction === "inbound" ? showReceived : showSent)(main, email, id, ctx);
	},
};
