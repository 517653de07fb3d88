// SPDX-License-Identifier: Apache-2.0
// People whom an agent needs the consent of: who was asked, what they said, asking and ending.
// Delegations and reviewers are such lists.
import {agentTabs} from "./agent_tabs.js";
import {del, get, path, post} from "./api.js";
import {ask} from "./dialog.js";
import {h} from "./dom.js";
import {button, field} from "./form.js";
import {errorForm} from "./form_error.js";
import {mailText} from "./mailtext.js";
import {paged} from "./paged.js";
import {say} from "./say.js";
import {when} from "./time.js";

const TIMES = [["created_at", "asked"], ["confirmed_at", "agreed"], ["revoked_at", "ended"],
	["link_expires_at", "the link is good until"]];

function times(item) {
	return TIMES.filter(([name]) => item[name])
		.map(([name, words], i) => [i ? ", " : "", words, " ", when(item[name])]);
}

/**
 * A page of them. kind: list and address (names of the API), title, intro, label, words (of
 * the button), states {state: [words, badge]}, more(item) -> words, may {again(item),
 * end(item) -> words of a button or null}, question(item) -> {question, text, yes}.
 */
export function askedPage(kind) {
	return {
		title: ({email}) => `${kind.title} of ${email}`,
		async show(main, {email}, {signal}) {
			const url = path`/api/v1/agents/${email}/${kind.list}`;
			const askFor = async address => {
				await post(url, {[kind.address]: address}, {key: true, signal});
				say("Asked: a mail with a link goes to them, unless they want none.");
				await list.reload();
			};
			const end = async item => {
				const {question, ...words} = kind.question(item);

				if (!await ask(question, {danger: true, ...words}))
					return;
				await del(`${url}/${encodeURIComponent(item.id)}`, null, {signal});
				say("Ended.");
				await list.reload();
			};
			const row = item => h("li", {class: "bar"},
				h("div", h("strong", mailText(item[kind.address])), " ",
					h("span", {class: `badge ${kind.states[item.state]?.[1] ?? "none"}`},
						kind.states[item.state]?.[0] ?? item.state),
					h("div", {class: "hint"}, times(item), kind.more?.(item))),
				h("div", {class: "bar end"},
					kind.may.again(item) ? button("Ask again", () => askFor(item[kind.address]),
						{less: true, small: true, "aria-label": `Ask ${item[kind.address]} again`}) : null,
					kind.may.end(item) ? button(kind.may.end(item), () => end(item), {danger: true,
						less: true, small: true, "aria-label": `${kind.may.end(item)} ${item[kind.address]}`}) : null));
			const address = h("input", {type: "text", inputmode: "email", required: true,
				autocomplete: "off", spellcheck: "false", autocapitalize: "none"});
			const list = paged({
				label: kind.title, empty: kind.empty, signal, row,
				load: async (token, s) => {
					const page = await get(url, {token, page_size: 50}, {signal: s});
					return {items: page[kind.list], next: page.next_token};
				},
			});

			main.append(agentTabs(email, `/${kind.list}`), kind.intro(),
				h("section", {class: "card"}, h("h2", kind.heading), list),
				h("section", {class: "card"}, h("h2", kind.words),
					errorForm(field(kind.label, address, kind.hint), "Ask", async () => {
						await askFor(address.value.trim());
						address.value = "";
					}, {about: [[/human|address/, address]]})));
		},
	};
}
