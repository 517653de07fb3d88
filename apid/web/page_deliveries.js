// SPDX-License-Identifier: Apache-2.0
// The webhook calls of an agent: how its webhook fares, and the mail that waits or has failed.
import {agentTabs} from "./agent_tabs.js";
import {get, path, post} from "./api.js";
import {ask} from "./dialog.js";
import {h, replace} from "./dom.js";
import {button} from "./form.js";
import {WEBHOOK, badge, brief, reasonWords, several, subjectOf} from "./mail_words.js";
import {mailText} from "./mailtext.js";
import {lastWords, redeliverButton, stateBadge} from "./message_calls.js";
import {paged} from "./paged.js";
import {say} from "./say.js";
import {when} from "./time.js";

const MEANS = {
	ok: "It takes what it is called with.",
	failing: "It did not take the last calls. They are made again.",
	open: "It did not take mail for some time. It is called with one mail at a time, until it takes it.",
	draining: "It is back, and gets what waited.",
	disabled: "It is not called any more, until you enable it.",
};
const LISTS = [["failed", "Failed"], ["pending", "Waiting"]];

const count = (n, capped) => capped ? `more than ${n.toLocaleString("en")}` : several(n, "mail");

function facts(w) {
	const row = (name, ...value) => [h("dt", name), h("dd", value)];

	return h("dl", row("URL", h("code", mailText(w.webhook_url))),
		row("Waits", count(w.pending, w.pending_capped)), row("Failed", count(w.failed, w.failed_capped)),
		w.failing_since ? row("Fails since", when(w.failing_since)) : null,
		w.last_error ? row("Last failure", when(w.last_failed_at), ": ", reasonWords(w.last_error, w.last_status)) : null,
		w.next_attempt_at ? row("Next attempt", when(w.next_attempt_at, {ago: true})) : null,
		w.disabled_at ? row("Disabled", when(w.disabled_at), ": ", reasonWords(w.disabled_reason)) : null);
}

// A request looks at a thousand mails; the answer says where to go on.
async function redeliverAll(url, note) {
	let done = 0, skipped = 0, token;

	do {
		const page = await post(`${url}/redeliver`, {state: "failed", ...(token ? {token} : {})}, {key: true});
		done += page.redelivered;
		skipped += page.skipped;
		token = page.next_token;
		note.textContent = `${several(done, "mail")} so far`;
	} while (token);
	note.textContent = "";
	say(`The webhook is called again with ${several(done, "mail")}${
		skipped ? `, not with ${skipped} that were asked for just now` : ""}.`);
}

function buttons(url, w, reload) {
	const note = h("span", {class: "hint", role: "status"});

	return h("div", {class: "buttons"},
		["disabled", "open", "failing"].includes(w.state) && button(
			w.state === "disabled" ? "Enable it again" : "Call it now", async () => {
				await post(`${url}/webhook/enable`);
				say("The webhook is called again.");
				await reload();
			}),
		w.failed > 0 && w.state !== "disabled" && button("Redeliver all that failed", async () => {
			const yes = await ask("Call the webhook again with all mail that failed?", {
				yes: "Redeliver all", text: `It gets ${count(w.failed, w.failed_capped)}, each as it was, freshly signed.`});
			if (!yes)
				return;
			await redeliverAll(url, note);
			await reload();
		}, {less: true}), note);
}

function webhook(url, w, reload) {
	const [kind, words] = WEBHOOK[w.state] ?? ["", w.state];

	return [h("h2", "Webhook ", badge(words, kind)), h("p", MEANS[w.state]), facts(w), buttons(url, w, reload)];
}

function item(email, d, reload) {
	return h("li", {class: "mail"},
		h("a", {href: path`#/agents/${email}/messages/${d.message_id}`}, mailText(subjectOf(d))),
		h("p", {class: "hint"}, mailText(brief(d.from || "(no sender)")), " · ", when(d.created_at)),
		h("div", {class: "bar"}, stateBadge(d), h("span", lastWords(d)),
			h("span", {class: "end"}, redeliverButton(email, d.message_id, reload))));
}

function choice(email, state) {
	return h("ul", {class: "tabs", "aria-label": "Which mail"}, LISTS.map(([value, words]) => h("li", h("a", {
		href: `${path`#/agents/${email}/deliveries`}${value === "failed" ? "" : `?state=${value}`}`,
		"aria-current": value === state ? "page" : null}, words))));
}

export default {
	title: ({email}) => `Webhook calls of ${email}`,
	async show(main, {email}, {query, signal}) {
		const url = path`/api/v1/agents/${email}`;
		const state = query.get("state") === "pending" ? "pending" : "failed";
		const card = h("section", {class: "card"});
		const list = () => paged({
			signal, row: d => item(email, d, reload), label: `Mail whose call ${state === "failed" ? "failed" : "waits"}`,
			empty: state === "failed" ? "No call has failed." : "No mail waits for the webhook.",
			load: async token => {
				const page = await get(`${url}/deliveries`, {state, page_size: 50, token}, {signal});
				return {items: page.deliveries, next: page.next_token};
			},
		});
		let shown;

		async function reload() {
			const w = await get(`${url}/webhook`, null, {signal});

			if (w.state === "none") {
				replace(card, h("h2", "Webhook"), h("p", "This agent has no webhook: it is in local mode. ",
					h("a", {href: path`#/agents/${email}`}, "Change that")));
				return;
			}
			replace(card, webhook(url, w, reload));
			await shown?.reload();
		}

		main.append(agentTabs(email, "/deliveries"), card);
		await reload();
		shown = list();
		main.append(h("section", {class: "card"}, h("h2", "Mail"), choice(email, state), shown));
	},
};
