// SPDX-License-Identifier: Apache-2.0
// One agent: mail as it arrives, how to connect, what can be changed, and its end.
import {del, get, path, post} from "./api.js";
import {connectSection} from "./agent_connect.js";
import {approvalSection, modeSection} from "./agent_settings.js";
import {agentTabs} from "./agent_tabs.js";
import {tailOf} from "./agent_tail.js";
import {webhookSection} from "./agent_webhook.js";
import {ask} from "./dialog.js";
import {h, replace} from "./dom.js";
import {button} from "./form.js";
import {send} from "./http.js";
import {mailText} from "./mailtext.js";
import {say} from "./say.js";
import {when} from "./time.js";

const isAbsent = e => e.status === 403 || e.status === 404;

function headOf(agent) {
	return [
		h("p", {class: "bar"}, agent.name ? h("strong", mailText(agent.name)) : null,
			h("span", {class: "badge"}, agent.agent_mode),
			agent.hitl_enabled ? h("span", {class: "badge warn"}, "its mail waits for a human") : null,
			h("span", {class: "soft"}, "made ", when(agent.created_at))),
		agent.domain_verified ? null : h("p", {class: "note warn"}, "Its domain is not verified: it cannot send. ",
			h("a", {href: "#/domains"}, "Look at the domain")),
	];
}

function testButton(agent, signal, result) {
	return button("Send it a test mail", async () => {
		replace(result);
		const answer = await post(path`/api/v1/agents/${agent.email}/test`, null, {key: true, signal});

		replace(result, answer.status === "pending_approval"
			? h("p", "The test mail waits for a human. ",
				h("a", {href: path`#/pending/${answer.message_id}`}, "Decide about it"))
			: h("p", "A test mail is on its way to this agent."));
	});
}

function endSection(agent, signal) {
	const end = async () => {
		const sure = await ask("Delete this agent?", {
			danger: true, yes: "Delete it", typed: agent.email,
			text: "All its mail and its keys are deleted with it. What comes for it is refused from then on.",
		});

		if (!sure)
			return;
		await del(path`/api/v1/agents/${agent.email}`, null, {signal})
			.catch(e => isAbsent(e) || Promise.reject(e));
		say("The agent is deleted.");
		location.hash = "#/";
	};

	return h("section", {class: "card"}, h("h2", "Deletion"),
		h("p", "An agent that is deleted takes its mail along. Its address is kept from other accounts."),
		h("div", {class: "buttons"}, button("Delete the agent", end, {danger: true, less: true})));
}

// Another window may have changed it meanwhile.
function whenSeenAgain(email, signal, changed) {
	const look = () => document.hidden ||
		send("GET", path`/api/v1/agents/${email}`, {signal}).then(changed, () => {});

	document.addEventListener("visibilitychange", look, {signal});
}

async function load(email, signal) {
	try {
		return await get(path`/api/v1/agents/${email}`, null, {signal});
	} catch (e) {
		if (isAbsent(e))
			return null;
		throw e;
	}
}

export default {
	title: ({email}) => email,
	async show(main, {email}, {signal}) {
		const agent = await load(email, signal);
		const head = h("div"), tested = h("div", {role: "status"}), parts = [];

		if (!agent) {
			main.append(h("p", "There is no such agent in your account."),
				h("p", h("a", {href: "#/"}, "To the overview")));
			return;
		}
		const changed = a => {
			replace(head, headOf(a));
			parts.forEach(part => part.update(a));
		};
		const {public_url: url} = await get("/api/v1/info", null, {signal});
		const tail = tailOf(agent, signal, changed);
		const webhook = webhookSection(agent, signal);
		const connect = connectSection(agent, url || location.origin);
		const mode = modeSection(agent, signal, changed), approval = approvalSection(agent, signal, changed);

		parts.push(tail, webhook, connect, mode, approval);
		replace(head, headOf(agent));
		whenSeenAgain(agent.email, signal, changed);
		main.append(agentTabs(agent.email, ""), head,
			h("section", {class: "card"}, h("h2", "Arriving mail"), tail.node, tested,
				h("div", {class: "buttons"}, testButton(agent, signal, tested))),
			webhook.node, connect.node, mode.node, approval.node, endSection(agent, signal));
		await webhook.ready;
	},
};
