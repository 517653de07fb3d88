// SPDX-License-Identifier: Apache-2.0
// What stands in a mail: text as text; HTML, when the user asks for it, in a frame that can do
// nothing; attachments and the whole mail as files to be saved.
import {get, path} from "./api.js";
import {h, replace} from "./dom.js";
import {button} from "./form.js";
import {several} from "./mail_words.js";
import {mailText} from "./mailtext.js";
import {bytes} from "./size.js";

const SHOWN_MAX = 20_000; // characters of a text that are shown at first
const FILES_MAX = 10;
const KEEP_URL_MS = 60_000;

function cutNote(m, what) {
	return m[`${what}_truncated`] && h("p", {class: "note warn"},
		"There is more of it than 1 MiB. All of it is in the whole mail, which you can save.");
}

function shownText(text) {
	const pre = h("pre", {class: "text", tabindex: "0", role: "region", "aria-label": "Text of the mail"},
		mailText(text.slice(0, SHOWN_MAX)));
	const rest = text.length > SHOWN_MAX && h("p", button(
		`Show all of it (${several(text.length, "character")})`,
		e => {
			replace(pre, mailText(text));
			e.target.remove();
			pre.focus();
		}, {less: true, small: true}));

	return [pre, rest];
}

function textOf(m) {
	if (m.text === null)
		return [h("p", {class: "soft"}, m.html === null ? "This mail has no text." : "This mail has no plain text: choose HTML to see it as its sender made it.")];
	if (m.text.trim() === "")
		return [h("p", {class: "soft"}, "The text is empty.")];
	return [shownText(m.text), cutNote(m, "text")];
}

// What the frame may do is settled by the server's headers, and by sandbox: nothing at all. A
// frame cannot ask one to sign in again, so the page does before.
async function htmlOf(email, m) {
	await get("/api/auth/me");
	return [
		h("p", {class: "hint"}, "This is how the sender wants it to look. Links, forms, scripts and pictures ",
			"from elsewhere do not work here: the sender does not learn that you look at it."),
		h("iframe", {class: "mail", sandbox: true, title: "HTML of the mail", referrerpolicy: "no-referrer",
			src: path`/api/v1/agents/${email}/messages/${m.message_id}/html`}),
		cutNote(m, "html"),
	];
}

/** The text, and a way to the HTML where there is one. */
export function body(email, m) {
	const place = h("div");
	const views = [["Text", () => textOf(m)], ["HTML", () => htmlOf(email, m)]];
	const buttons = views.map(([words, view], i) => button(words, () => choose(i, view),
		{less: true, small: true, "aria-pressed": "false"}));

	async function choose(n, view) {
		replace(place, await view());
		buttons.forEach((b, i) => b.setAttribute("aria-pressed", String(i === n)));
	}

	buttons[0].setAttribute("aria-pressed", "true");
	replace(place, textOf(m));
	return [m.html === null ? null
		: h("div", {class: "bar", role: "group", "aria-label": "What to show"}, buttons), place];
}

function file(email, m, a) {
	const name = mailText(a.filename ?? "(no name)");

	return h("li",
		h("a", {href: path`/api/v1/agents/${email}/messages/${m.message_id}/attachments/${a.index}`,
			download: a.filename ?? `attachment-${a.index}`}, name),
		h("p", {class: "hint"}, mailText(a.content_type), ", ", bytes(a.size),
			a.inline ? ", part of the HTML" : null));
}

/** All of them; many are folded, and come a hundred at a time. */
export function attachments(email, m) {
	const list = h("ul", {class: "list", "aria-label": "Attachments"});
	const more = button("More attachments", () => add(100), {less: true, small: true});

	function add(n) {
		const from = list.childElementCount;

		list.append(...m.attachments.slice(from, from + n).map(a => file(email, m, a)));
		more.hidden = list.childElementCount === m.attachments.length;
		if (from)
			list.children[from].querySelector("a").focus();
	}

	if (m.attachments.length === 0)
		return null;
	add(FILES_MAX);
	return h("section", {class: "card"}, h("h2", several(m.attachments.length, "attachment")),
		h("p", {class: "hint"}, "Nobody looked at what is in them. Open only what you expected from a sender you know."),
		list, more, m.attachments_truncated && h("p", "There are more, which are only in the whole mail."));
}

function bytesOf(base64) {
	const text = atob(base64), out = new Uint8Array(text.length);

	for (let i = 0; i < text.length; i++)
		out[i] = text.charCodeAt(i);
	return out;
}

// The file's name is ours: that of a stranger's choice would be a stranger's.
function save(m) {
	const url = URL.createObjectURL(new Blob([bytesOf(m.raw_message)], {type: "message/rfc822"}));

	h("a", {href: url, download: `${m.message_id}.eml`}).click();
	setTimeout(() => URL.revokeObjectURL(url), KEEP_URL_MS);
}

/** A button that saves the mail as it came. */
export function saveButton(m) {
	return m.raw_message === null ? null : button("Save the whole mail", () => save(m), {less: true, small: true});
}
