// SPDX-License-Identifier: Apache-2.0
// The mail that left an agent, newest first, and how far it got.
import {agentTabs} from "./agent_tabs.js";
import {get, path} from "./api.js";
import {h} from "./dom.js";
import {recipientBadge, several, subjectOf} from "./mail_words.js";
import {mailText} from "./mailtext.js";
import {paged} from "./paged.js";
import {when} from "./time.js";

const WORST_FIRST = ["bounced", "failed", "deferred", "queued", "sent", "delivered"];
const SHOWN_MAX = 3;

function names(m) {
	const all = [...m.to, ...m.cc ?? [], ...m.bcc ?? []], more = all.length - SHOWN_MAX;

	return [all.slice(0, SHOWN_MAX).flatMap((a, i) => [i ? ", " : "", mailText(a)]),
		more > 0 ? ` and ${several(more, "other")}` : null];
}

function statuses(m) {
	return WORST_FIRST.map(status => [status, m.recipients.filter(r => r.status === status).length])
		.filter(([, n]) => n)
		.map(([status, n]) => recipientBadge(status, m.recipients.length > 1 ? `${n} ${status}` : status));
}

function row(email, m) {
	return h("li", {class: "mail"},
		h("a", {href: path`#/agents/${email}/messages/${m.id}`}, mailText(subjectOf(m))),
		h("p", {class: "hint"}, "To ", names(m), " · ", when(m.created_at)),
		h("p", {class: "badges"}, statuses(m)));
}

export default {
	title: ({email}) => `Sent by ${email}`,
	show(main, {email}, {signal}) {
		main.append(agentTabs(email, "/sent"), h("p", {class: "hint"}, "Mail that waits for approval is in ",
			h("a", {href: "#/pending"}, "Pending"), "."),
		h("section", {class: "card"}, paged({
			signal, label: "Sent mail, newest first", empty: "This agent has sent nothing yet.",
			row: m => row(email, m),
			load: async token => {
				const page = await get(path`/api/v1/agents/${email}/sent`, {page_size: 50, token}, {signal});
				return {items: page.messages, next: page.next_token};
			},
		})));
	},
};
