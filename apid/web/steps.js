// SPDX-License-Identifier: Apache-2.0
// The first five minutes: what to do next, with the commands to paste. A step is ticked when
// the server says that it happened, and by nothing else.
import {get, path, post} from "./api.js";
import {copyable, shell} from "./copy.js";
import {h, replace} from "./dom.js";
import {button} from "./form.js";
import {send} from "./http.js";
import {mailText} from "./mailtext.js";
import {say} from "./say.js";
import {me} from "./session.js";
import {recall, remember} from "./storage.js";
import {when} from "./time.js";

const SENDER = "alice@sender.example"; // of the trial: mail from there is genuine
const UNANSWERABLE = /^[^<]*<?noreply@/i; // test mails come from there

const hiddenKey = () => `e2a.steps.hidden.${me().id}`;

function commands(...lines) {
	return copyable(lines.join("\n"), "the commands", {block: true});
}

// Of the trial the terminal is where it was started, and the file is there.
function signIn({trial}) {
	return [h("p", "Once in a terminal, to sign in the command e2a",
		trial ? [" (after ", h("code", "make run"), ", ", h("code", ". run/env"), " does that):"] : ":"),
	commands(`export E2A_URL=${shell(location.origin)}`, "e2a login")];
}

function makeAgent() {
	return [h("p", "An agent is a program with an e-mail address. Everybody can write to it."),
		h("p", h("a", {class: "act", href: "#/agents"}, "Make an agent"))];
}

function getMail({agent, trial}) {
	if (!agent)
		return h("p", "First there has to be an agent.");
	const test = button("Send a test mail", async () => {
		await post(path`/api/v1/agents/${agent.email}/test`);
		say("The test mail is on its way.");
	}, {less: true});
	const how = trial
		? [h("p", "In a terminal on the machine where e2a runs:"),
			commands(`printf 'From: ${SENDER}\\nSubject: Hello\\n\\nHi.\\n' |`,
				`    curl -s ${shell(trial)} --mail-from ${SENDER} \\`,
				`        --mail-rcpt ${shell(agent.email)} -T -`)]
		: [h("p", "Write to it with your own mail program:"), copyable(agent.email, "the address")];

	return [how, h("p", "Or let this server write to it. ", test)];
}

function listen({agent, trial}) {
	if (!agent)
		return h("p", "First there has to be an agent.");
	if (agent.agent_mode === "cloud")
		return h("p", "Each mail is posted to the webhook of ", h("a", {href: path`#/agents/${agent.email}`},
			mailText(agent.email)), ". This is ticked when the webhook has answered one with success.");
	return [signIn({trial}), h("p", "Then this shows mail as it arrives:"),
		commands(`e2a listen --agent ${shell(agent.email)}`),
		h("p", "Or have a webhook called: ", h("a", {href: path`#/agents/${agent.email}`}, "settings of the agent"), ".")];
}

function reply({agent, mail, trial}) {
	if (!mail)
		return h("p", "First there has to be a mail that somebody may be answered. A test mail is from nobody.");
	return [signIn({trial}),
		h("p", "Then, to ", mailText(mail.from), ", about “", mailText(mail.subject), "”:"),
		commands(`e2a reply ${mail.message_id} --agent ${shell(agent.email)} --body 'Hello back.'`)];
}

const STEPS = [
	{words: "Make an agent", at: s => s.agent_at, how: makeAgent, needs: () => null},
	{words: "Get its first mail", at: s => s.received_at, how: getMail, needs: c => c.agent},
	{words: "Listen for mail, or have a webhook called", how: listen, needs: c => c.agent,
		at: s => [s.delivered_at, s.listened_at].filter(Boolean).sort()[0]},
	{words: "Answer a mail", at: s => s.replied_at, how: reply, needs: c => [c.agent, c.mail]},
];

const allDone = s => STEPS.every(({at}) => at(s));

async function findMail(agent) {
	const list = path`/api/v1/agents/${agent.email}/messages`;
	const {messages} = await send("GET", `${list}?status=all&sort=desc&page_size=20`);
	const {message_id, from, subject} = messages.find(m => !UNANSWERABLE.test(m.from)) ?? {};

	return message_id ? {message_id, from, subject} : null;
}

// Its way is written anew only when it is another one: somebody may be copying it.
function stepNode(step, number) {
	const state = h("span"), since = h("small"), way = h("div");
	const details = h("details", h("summary", "How"), way);
	const node = h("li", {tabindex: "-1"}, h("div", {class: "bar"}, h("h3", `${number}. ${step.words} `, state), since),
		details);
	let shown = "", wasCurrent = false;

	return {node, update(done, current, context) {
		const text = JSON.stringify([done, current, step.needs(context)]);
		const had = details.contains(document.activeElement);

		if (text === shown)
			return;
		details.open ||= current && !wasCurrent;
		wasCurrent = current;
		shown = text;
		replace(state, done ? h("span", {class: "badge good"}, "✓ Done")
			: h("span", {class: current ? "badge" : "badge none"}, current ? "Next" : "To do"));
		replace(since, done ? when(done) : null);
		details.hidden = Boolean(done);
		replace(way, done ? null : step.how(context));
		if (had)
			node.focus({preventScroll: true});
	}};
}

/**
 * {node, update(overview), wanted()}. `found` is an overview; update() also takes parts of one,
 * and is true when a step was made meanwhile. wanted(): somebody looks at them, and waits.
 */
export function firstSteps(found, info, signal) {
	const over = recall(hiddenKey()) !== null || allDone(found.first_steps);
	const context = {agent: null, mail: null, trial: info.trial_smtp_url ?? ""};
	const steps = STEPS.map((s, i) => stepNode(s, i + 1));
	const line = h("p", {class: "soft"});
	const close = button("Hide these steps", () => {
		remember(hiddenKey(), "1");
		node.hidden = true;
		say("Hidden.");
	}, {class: "end less small"});
	const node = h("section", {class: "card", "aria-labelledby": "steps", hidden: over},
		h("div", {class: "bar"}, h("h2", {id: "steps"}, "First steps"), close), line,
		h("ol", {class: "steps"}, steps.map(s => s.node)));
	let now = {}, looking = false;

	function show() {
		const current = STEPS.findIndex(({at}) => !at(now)), n = STEPS.filter(({at}) => at(now)).length;

		replace(line, current < 0 ? "That is all there is to it." : `${n} of ${STEPS.length} done`);
		close.textContent = current < 0 ? "Close" : "Hide these steps";
		STEPS.forEach(({at}, i) => steps[i].update(at(now) ?? null, i === current, context));
	}

	async function look() {
		if (looking || node.hidden || !now.received_at || now.replied_at || !context.agent)
			return;
		looking = true;
		try {
			context.mail = await findMail(context.agent);
			show();
		} catch {
			// the next time
		} finally {
			looking = false;
		}
	}

	// Whichever got mail last, or can get it without anything else.
	function takeAgent(agents) {
		const [busy] = agents.filter(a => a.last_received_at)
			.sort((a, b) => a.last_received_at < b.last_received_at ? 1 : -1);
		const {email, agent_mode} = busy ?? agents.find(a => a.agent_mode === "local") ?? agents[0] ?? {};

		if (email !== context.agent?.email)
			context.mail = null;
		context.agent = email ? {email, agent_mode} : null;
	}

	function update({first_steps: s, agents}) {
		const made = s ? STEPS.filter(({at}) => at(s) && !at(now)) : [], begun = now.begun;

		if (agents)
			takeAgent(agents);
		now = {...now, ...s, begun: true};
		show();
		if (!context.mail)
			look();
		if (begun && made.length && !node.hidden)
			say(`Done: ${made.map(m => m.words).join(", ")}.`);
		return begun && made.length > 0;
	}

	return {node, update, wanted: () => !node.hidden && !allDone(now) && !signal.aborted};
}
