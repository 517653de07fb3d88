// SPDX-License-Identifier: Apache-2.0
// What the agent wrote, to be read: nothing here can be changed, and nothing of it is markup.
import {get, path} from "./api.js";
import {h} from "./dom.js";
import {mailText} from "./mailtext.js";
import {wordsOf} from "./say.js";
import {bytes} from "./size.js";
import {when} from "./time.js";

const QUOTE_MAX = 20000;

export const part = (m, name) => `/dashboard/pending/content?id=${m.id}&part=${name}`;

/** Were all of this text's bytes shown? */
export function isCut(text, size) {
	return (size ?? 0) > new TextEncoder().encode(text ?? "").length;
}

function addresses(name, list) {
	if (!list?.length)
		return null;
	const all = list.length > 1 ? `${name} (${list.length})` : name;

	return [h("dt", all), h("dd", h("div", {class: "many", tabindex: list.length > 6 ? "0" : null,
		role: list.length > 6 ? "group" : null, "aria-label": list.length > 6 ? all : null},
	list.map(a => h("div", mailText(a)))))];
}

export function head(m) {
	return h("dl", h("dt", "Agent"), h("dd", mailText(m.agent_id)),
		addresses("To", m.to), addresses("Cc", m.cc), addresses("Bcc", m.bcc),
		h("dt", "Subject"), h("dd", h("div", {class: "many"}, mailText(m.subject || "(none)"))),
		h("dt", "Written"), h("dd", when(m.created_at)));
}

function cutNote(m, name, text, size) {
	return isCut(text, size) ? h("p", {class: "note warn"}, h("strong", "This is not all of it."),
		` Shown is the beginning of ${bytes(size)}. `,
		h("a", {href: part(m, name), download: ""}, "Download all of it"), " before you decide.") : null;
}

function source(label, text) {
	return h("pre", {dir: "auto", tabindex: "0", role: "group", "aria-label": label}, mailText(text));
}

function textOf(m) {
	if (!m.body_text)
		return h("p", m.body_html ? "This message is HTML only: it has no plain text."
			: "This message has no text.");
	return [cutNote(m, "text", m.body_text, m.body_text_size), source("Text of the draft", m.body_text)];
}

// The frame's own document says that it may run and load nothing; so does the frame.
function htmlOf(m) {
	if (!m.body_html)
		return null;
	return [h("h3", "HTML version"),
		m.body_text ? h("p", {class: "note warn"}, "Most mail programs show this instead of the text ",
			"above, and it may say something else.") : null,
		h("p", {class: "soft"}, "Without scripts, and without images from elsewhere:"),
		h("div", {class: "frame"}, h("iframe", {sandbox: "", referrerpolicy: "no-referrer",
			title: "HTML version of the draft", src: path`/api/v1/messages/${m.id}/html`})),
		cutNote(m, "html", m.body_html, m.body_html_size),
		h("details", h("summary", "Its source"), source("HTML source of the draft", m.body_html))];
}

function filesOf(m) {
	if (!m.attachments)
		return null;
	return [h("h3", `Attachments (${m.attachments.length})`), h("ul", {class: "list many"},
		m.attachments.map(f => h("li",
			h("a", {href: part(m, f.index), download: ""}, mailText(f.filename || "(no name)")), " ",
			h("small", mailText(f.content_type), `, ${bytes(f.size)}`))))];
}

async function quote(m, box, signal) {
	const got = await get(path`/api/v1/agents/${m.agent_id}/messages/${m.answers}`, {peek: 1}, {signal});
	const text = got.text ?? "(It has no plain text.)";

	box.append(h("dl", h("dt", "From"), h("dd", mailText(got.from), " ", got.verified
		? h("span", {class: "badge good"}, "verified") : h("span", {class: "badge warn"}, "not verified")),
	h("dt", "Subject"), h("dd", mailText(got.subject)),
	h("dt", "Came"), h("dd", when(got.received_at ?? got.created_at))),
	source("Text of the mail that it answers", text.slice(0, QUOTE_MAX)),
	text.length > QUOTE_MAX ? h("p", {class: "soft"}, "There is more of it.") : "");
}

function answered(m, signal) {
	if (!m.email_message_id)
		return null;
	if (!m.answers)
		return h("p", {class: "soft"}, "It answers a mail that is not here any more.");
	const box = h("div");
	const fold = h("details", {class: "quoted", ontoggle: async () => {
		if (!fold.open || box.childElementCount)
			return;
		try {
			await quote(m, box, signal);
		} catch (e) {
			box.append(h("p", {class: "error"}, wordsOf(e)));
		}
	}}, h("summary", "The mail that it answers"), box,
	h("p", h("a", {href: path`#/agents/${m.agent_id}/messages/${m.answers}`}, "Go to it")));

	return fold;
}

/** The half of the page that shows the draft. */
export function draft(m, signal) {
	return h("section", {class: "card", "aria-labelledby": "wrote"},
		h("h2", {id: "wrote"}, "What the agent wrote"), head(m), answered(m, signal),
		h("h3", "Text"), textOf(m), htmlOf(m), filesOf(m));
}
