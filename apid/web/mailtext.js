// SPDX-License-Identifier: Apache-2.0
// What strangers wrote: shown apart from the text around it, and so that what turns text
// around, or is there and not seen, is named by its code point (as page_mail_text() does).
import {h} from "./dom.js";

// Turning: U+061C, U+200E-200F, U+202A-202E, U+2066-2069. Unseen: soft hyphen, zero width,
// fillers, tags. Controls but for tab and line feed.
const ODD = new RegExp("[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f" +
	"\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u2800" +
	"\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]", "gu");

const MARKS_MAX = 1000; // a text of nothing else must not become a million elements

function mark(c) {
	const code = c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

	return h("b", {class: "odd"}, `U+${code}`);
}

function pieces(text) {
	const out = [];
	let at = 0;

	for (const m of text.matchAll(ODD)) {
		if (out.length > 2 * MARKS_MAX)
			break;
		out.push(text.slice(at, m.index), mark(m[0]));
		at = m.index + m[0].length;
	}
	return [...out, text.slice(at).replace(ODD, "\ufffd")].filter(p => p !== "");
}

/** A <bdi> with the text; null and undefined are nothing. */
export function mailText(text) {
	return h("bdi", pieces(String(text ?? "").replace(/\r\n?/g, "\n")));
}
