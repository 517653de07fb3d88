// SPDX-License-Identifier: Apache-2.0
// What will be sent: the draft in fields, what of it was changed, and the changes as the API
// wants them. What is as it was is never sent, so that it stays as it is to the byte.
import {h, replace} from "./dom.js";
import {field} from "./form.js";
import {mailText} from "./mailtext.js";
import {isCut} from "./review_draft.js";
import {bytes} from "./size.js";

const LINES_MAX = 200;

const lines = text => text.replace(/\r\n?/g, "\n");
const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);

/** An address on each line, or between commas and semicolons that are not in quotes. */
export function addressesIn(text) {
	return (lines(text).match(/(?:"[^"\n]*"?|[^",;\n])+/g) ?? []).map(s => s.trim()).filter(Boolean);
}

const removed = text => h("del", h("span", {class: "unseen"}, "without "), mailText(text));
const added = text => h("ins", h("span", {class: "unseen"}, "with "), mailText(text));

function differentLines(before, after) {
	const a = lines(before).split("\n"), b = lines(after).split("\n");

	while (a.length && b.length && a[0] === b[0])
		a.shift(), b.shift();
	while (a.length && b.length && a.at(-1) === b.at(-1))
		a.pop(), b.pop();
	return [...a.slice(0, LINES_MAX).map(removed), ...b.slice(0, LINES_MAX).map(added),
		a.length > LINES_MAX || b.length > LINES_MAX ? h("p", "And more lines.") : null];
}

function textPart(name, label, control, draft, {hint = null} = {}) {
	control.value = draft;
	const was = control.value; // as the browser has it
	const odd = mailText(draft).querySelectorAll("b.odd").length;
	const warn = odd ? `${odd} of its characters cannot be seen, or turn text around; the draft marks them.` : hint;

	return {name, label, control, node: field(label, control, warn),
		get changed() { return control.value !== was; },
		get value() { return control.value; },
		get stored() { return control.value; },
		set stored(v) { control.value = v; },
		undo() { control.value = was; },
		shown: () => differentLines(was, control.value)};
}

function listPart(name, label, list) {
	const area = h("textarea", {rows: Math.min(8, Math.max(2, list.length + 1)), class: "addresses",
		spellcheck: "false", autocomplete: "off"});
	const part = textPart(name, label, area, list.join("\n"));
	const now = () => addressesIn(area.value);

	return Object.defineProperties(part, {
		changed: {get: () => !same(now(), list)},
		value: {get: now},
		shown: {value: () => [...list.filter(a => !now().includes(a)).map(removed),
			...now().filter(a => !list.includes(a)).map(added),
			same([...now()].sort(), [...list].sort()) ? "in another order" : null]},
	});
}

function filesPart(m) {
	const boxes = m.attachments.map(f => h("input", {type: "checkbox", checked: true}));
	const gone = () => m.attachments.filter((f, i) => !boxes[i].checked);

	return {name: "attachments", label: "Attachments",
		node: h("fieldset", h("legend", "Attachments to be sent"), h("div", {class: "many"},
			m.attachments.map((f, i) => h("label", {class: "tick"}, boxes[i],
				h("span", mailText(f.filename || "(no name)"), ` ${bytes(f.size)}`))))),
		get changed() { return gone().length > 0; },
		get value() { return m.attachments.filter((f, i) => boxes[i].checked).map(f => ({index: f.index})); },
		get stored() { return boxes.map(b => b.checked); },
		set stored(v) { boxes.forEach((b, i) => { b.checked = v[i] !== false; }); },
		undo() { boxes.forEach(b => { b.checked = true; }); },
		shown: () => gone().map(f => removed(f.filename || "(no name)"))};
}

function htmlPart(m) {
	const cut = isCut(m.body_html, m.body_html_size);
	const area = h("textarea", {rows: 8, class: "mono", spellcheck: "false", dir: "auto", readonly: cut});
	const part = textPart("body_html", "HTML source", area, m.body_html, {hint: cut ? "It is too long to be changed here." : null});
	const leaveOut = h("input", {type: "checkbox", onchange: () => { area.readOnly = cut || leaveOut.checked; }});
	const changed = Object.getOwnPropertyDescriptor(part, "changed").get;

	return Object.defineProperties(part, {
		label: {value: "HTML version"},
		node: {value: h("fieldset", h("legend", "HTML version"),
			h("label", {class: "tick"}, leaveOut, h("span", "Leave out the HTML version")),
			h("details", h("summary", "Change its source"), part.node))},
		changed: {get: () => leaveOut.checked || changed()},
		value: {get: () => leaveOut.checked ? "" : area.value},
		stored: {get: () => [leaveOut.checked, area.value],
			set: ([out, text]) => { leaveOut.checked = out; area.value = text; area.readOnly = cut || out; }},
		undo: {value() { part.stored = [false, m.body_html]; }},
		shown: {value: () => leaveOut.checked ? [removed("the HTML version")] : differentLines(m.body_html, area.value)},
	});
}

function partsOf(m) {
	const cut = isCut(m.body_text, m.body_text_size);

	return [
		...["to", "cc", "bcc"].map(n => listPart(n, {to: "To, an address on each line", cc: "Cc", bcc: "Bcc"}[n], m[n] ?? [])),
		textPart("subject", "Subject", h("input", {type: "text", autocomplete: "off", dir: "auto"}), m.subject),
		cut ? null : textPart("body_text", "Text", h("textarea", {rows: 12, dir: "auto"}), m.body_text ?? ""),
		m.body_html ? htmlPart(m) : null,
		m.attachments ? filesPart(m) : null,
	].filter(Boolean);
}

/** Fields for a draft. `onchange` is called after each change of them. */
export class Fields {
	constructor(m, onchange) {
		this.draft = m;
		this.parts = partsOf(m);
		this.marks = new Map(this.parts.map(p => [p, h("div", {class: "changed", hidden: true})]));
		this.node = h("div", {oninput: () => { this.mark(); onchange(); }},
			isCut(m.body_text, m.body_text_size) ? h("p", "The text is too long to be changed here.") : null,
			this.parts.map(p => [p.node, this.marks.get(p)]));
		this.onchange = onchange;
	}

	get changed() {
		return this.parts.filter(p => p.changed);
	}

	/** The body of an approval: what was changed, and nothing else. */
	get edits() {
		return Object.fromEntries(this.changed.map(p => [p.name, p.value]));
	}

	/** Why it cannot be sent like this, or "". */
	get wrong() {
		const {body_text: text, body_html: html} = this.edits;

		return text !== undefined && html === undefined && this.draft.body_html
			? "The text was changed and the HTML version was not, which most mail programs show instead: " +
				"change it too, or leave it out." : "";
	}

	get stored() {
		return Object.fromEntries(this.changed.map(p => [p.name, p.stored]));
	}

	set stored(typed) {
		for (const p of this.parts)
			if (p.name in typed)
				p.stored = typed[p.name];
		this.mark();
	}

	undo(part) {
		part.undo();
		this.mark();
		this.onchange();
	}

	/** Says below each field what is not as the agent wrote it. */
	mark() {
		for (const [p, box] of this.marks) {
			box.hidden = !p.changed;
			replace(box, ...p.changed ? [h("strong", "Changed: "), h("div", {class: "many"}, p.shown()),
				h("button", {type: "button", class: "less small", onclick: () => {
					this.undo(p);
					p.node.querySelector("input, textarea").focus();
				}}, "Put back", h("span", {class: "unseen"}, ` ${p.label.split(",")[0]}`))] : []);
		}
	}

	/** From now on nothing is changed any more, but all can be read and copied. */
	end() {
		for (const c of this.node.querySelectorAll("input, textarea"))
			c.type === "checkbox" ? c.disabled = true : c.readOnly = true;
		for (const b of this.node.querySelectorAll("button"))
			b.remove();
	}
}
