// SPDX-License-Identifier: Apache-2.0
// How an agent's webhook fares.
import {get, path, post} from "./api.js";
import {h, replace} from "./dom.js";
import {button} from "./form.js";
import {send} from "./http.js";
import {WEBHOOK, badge} from "./mail_words.js";
import {mailText} from "./mailtext.js";
import {say} from "./say.js";
import {when} from "./time.js";

const EACH_MS = 15000;

const REASONS = {
	http_gone: "It answered 410, which says that it wants no more.",
	operator: "Somebody who runs this server did it.",
};

const times = n => n === 1 ? "once" : `${n} times in a row`;
const many = (n, capped) => capped ? `more than ${n}` : String(n);

function failure(w) {
	return w.failures > 0 && h("p", `It failed ${times(w.failures)}, since `, when(w.failing_since), ". Last: ",
		mailText(w.last_status ? `status ${w.last_status}` : w.last_error ?? "no answer"), ", ",
		when(w.last_failed_at, {ago: true}), ".",
		w.next_attempt_at ? [" It is called next at ", when(w.next_attempt_at), "."] : null);
}

function waiting(email, w) {
	return h("dl", h("dt", "Waits for it"), h("dd", many(w.pending, w.pending_capped)),
		h("dt", "Failed"), h("dd", many(w.failed, w.failed_capped), " ",
			w.failed || w.pending ? h("a", {href: path`#/agents/${email}/deliveries`}, "Look at them") : null));
}

function words(email, w, enable) {
	const [kind, state] = WEBHOOK[w.state] ?? ["none", w.state];

	return [
		h("p", badge(state, kind), " ", mailText(w.webhook_url)),
		w.state === "disabled" && h("p", "Since ", when(w.disabled_at), ". ", REASONS[w.disabled_reason] ?? "",
			" Mail is stored, and fails here at once."),
		failure(w), waiting(email, w),
		["disabled", "open", "failing"].includes(w.state) &&
			h("div", {class: "buttons"}, button("Call it again now", enable)),
	];
}

/** A section that is there for an agent in cloud mode only. */
export function webhookSection(agent, signal) {
	const url = path`/api/v1/agents/${agent.email}/webhook`;
	const state = h("div", {"aria-live": "polite"});
	const node = h("section", {class: "card"}, h("h2", "The webhook"), state,
		h("div", {class: "buttons"}, button("Look again", () => look(), {less: true, small: true})));
	let shown = "";
	const show = w => {
		if (shown === JSON.stringify(w))
			return; // nothing to be read aloud again
		shown = JSON.stringify(w);
		replace(state, words(agent.email, w, async () => {
			show(await post(`${url}/enable`, null, {key: true, signal}));
			say("It is called again. What has failed stays so until it is redelivered.");
		}));
	};
	const look = async () => show(await get(url, null, {signal}));
	const again = setInterval(() => document.hidden || node.hidden ||
		send("GET", url, {signal}).then(show, () => {}), EACH_MS);
	const update = async a => {
		node.hidden = a.agent_mode !== "cloud";
		if (!node.hidden)
			await look();
	};

	signal.addEventListener("abort", () => clearInterval(again));
	return {node, update, ready: update(agent)};
}
