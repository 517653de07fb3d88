// SPDX-License-Identifier: Apache-2.0
// The mail that an agent got, newest first. What is looked for stands in the URL.
import {agentTabs} from "./agent_tabs.js";
import {get, path} from "./api.js";
import {h} from "./dom.js";
import {field, form} from "./form.js";
import {badge, brief, subjectOf} from "./mail_words.js";
import {mailText} from "./mailtext.js";
import {paged} from "./paged.js";
import {when} from "./time.js";

const SHOWN = [["all", "All"], ["unread", "Unread"], ["read", "Read"]];
const NAMES = ["status", "from", "subject_contains", "conversation_id"];
const TEXT_MAX = 200, PAGE = 50, LOOKS_MAX = 20;

function asked(query) {
	return Object.fromEntries(NAMES.map(n => [n, query.get(n) ?? ""]).filter(([, v]) => v));
}

function search(email, have) {
	const status = h("select", {name: "status", value: have.status ?? "all"},
		SHOWN.map(([value, words]) => h("option", {value}, words)));
	const text = (name, label) => field(label, h("input", {type: "search", name,
		maxlength: TEXT_MAX, autocomplete: "off", value: have[name] ?? ""}));

	return form(h("div", {class: "row three"}, field("Show", status), text("from", "From"),
		text("subject_contains", "Subject")), "Search", data => {
		const wish = Object.entries(Object.fromEntries(data)).filter(([n, v]) => v && v !== "all" && n);
		location.hash = `${path`#/agents/${email}/inbox`}?${new URLSearchParams(wish)}`;
	});
}

function row(email, m) {
	const unread = m.status === "unread";

	return h("li", {class: unread ? "mail unread" : "mail"},
		h("a", {href: path`#/agents/${email}/messages/${m.message_id}`}, mailText(subjectOf(m))),
		h("p", {class: "hint"}, mailText(brief(m.from || "(no sender)")), " · ", when(m.created_at)),
		h("p", {class: "badges"}, unread ? badge("unread") : null,
			m.verified ? badge("verified", "good") : badge("not verified", "warn"),
			m.auto_submitted && m.auto_submitted !== "no" ? badge("automatic", "none") : null));
}

// The server looks at some thousand mails at a time: a page may be empty and yet have a next.
function load(email, have, signal) {
	return async token => {
		for (let looks = 1; ; looks++) {
			const page = await get(path`/api/v1/agents/${email}/messages`,
				{status: "all", ...have, sort: "desc", page_size: PAGE, token}, {signal});
			if (page.messages.length || !page.next_token || looks === LOOKS_MAX)
				return {items: page.messages, next: page.next_token};
			token = page.next_token;
		}
	};
}

function emptyWords(email, have) {
	return Object.keys(have).length
		? h("span", "No mail is like that. ", h("a", {href: path`#/agents/${email}/inbox`}, "Show all"))
		: h("span", "No mail came yet. Write one to ", mailText(email), ".");
}

export default {
	title: ({email}) => `Inbox of ${email}`,
	show(main, {email}, {query, signal}) {
		const have = asked(query);

		main.append(agentTabs(email, "/inbox"),
			h("section", {class: "card"}, h("h2", {class: "unseen"}, "Search"), search(email, have)),
			have.conversation_id ? h("p", "Only the conversation ", mailText(have.conversation_id), ". ",
				h("a", {href: path`#/agents/${email}/inbox`}, "Show all")) : "",
			h("section", {class: "card"}, h("h2", {class: "unseen"}, "Mail"),
				paged({load: load(email, have, signal), row: m => row(email, m), signal,
					label: "Mail, newest first", empty: emptyWords(email, have)})));
	},
};
