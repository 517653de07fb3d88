// SPDX-License-Identifier: Apache-2.0
// What can be changed of an agent. A form sends what was changed in it, and asks when somebody
// else changed the same meanwhile.
import {get, path, put} from "./api.js";
import {modeFields} from "./agent_mode.js";
import {ask} from "./dialog.js";
import {h} from "./dom.js";
import {field, tick} from "./form.js";
import {errorForm} from "./form_error.js";
import {mailText} from "./mailtext.js";
import {say} from "./say.js";

const UNITS = [["days", 86400], ["hours", 3600], ["minutes", 60], ["seconds", 1]];
const SAYS = {
	agent_mode: v => `it is ${v}`,
	webhook_url: v => v ? `its webhook URL is ${v}` : "it has no webhook URL",
	hitl_enabled: v => v ? "its mail waits for a human" : "its mail waits for nobody",
	hitl_ttl_seconds: v => `its mail waits for ${inUnits(v).join(" ")}`,
	hitl_expiration_action: v => v === "approve" ? "without a decision it is sent" : "without a decision it is not sent",
};

function inUnits(seconds) {
	const [unit, size] = UNITS.find(([, s]) => seconds % s === 0);

	return [seconds / size, unit];
}

function differing(wanted, base) {
	return Object.keys(wanted).filter(k => wanted[k] !== base[k]);
}

function mayOverwrite(names, now) {
	return ask("This was changed meanwhile", {
		yes: "Save mine", danger: true,
		text: h("p", "In another window, or by somebody else. Now ",
			mailText(names.map(k => SAYS[k](now[k])).join(", ")), "."),
	});
}

// True when it was saved. `together`: the fields go out all or none.
async function save(ctx, wanted, together) {
	const url = path`/api/v1/agents/${ctx.base.email}`, options = {signal: ctx.signal};
	const mine = differing(wanted, ctx.base);

	if (!mine.length) {
		say("Nothing was changed.");
		return false;
	}
	const changes = together ? wanted : Object.fromEntries(mine.map(k => [k, wanted[k]]));
	const now = await get(url, null, options);
	const theirs = differing(changes, now).filter(k => now[k] !== ctx.base[k]);
	ctx.base = now;
	if (theirs.length && !await mayOverwrite(theirs, now))
		return false;
	ctx.base = await put(url, changes, options);
	say("Saved.");
	return true;
}

// Each form keeps what is typed in it while the other one is saved.
function section(heading, ctx, fields, together, changed) {
	const show = agent => {
		ctx.base = agent;
		fields.set(agent);
	};

	show(ctx.base);
	return {
		node: h("section", {class: "card"}, h("h2", heading),
			errorForm(fields.node, "Save", async () => {
				if (await save(ctx, fields.value(), together))
					fields.set(ctx.base);
				changed(ctx.base);
			}, {about: fields.about})),
		update: agent => {
			const touched = differing(fields.value(), ctx.base).length > 0;

			if (!touched)
				show(agent);
		},
	};
}

export function modeSection(agent, signal, changed) {
	const mode = modeFields(agent.agent_mode, agent.webhook_url, "Mode");
	const fields = {...mode, set: a => mode.set(a.agent_mode, a.webhook_url)};

	return section("How mail reaches it", {base: agent, signal}, fields, true, changed);
}

function approvalFields() {
	const on = tick("What it sends waits until a human has agreed");
	const count = h("input", {type: "number", min: 1, step: 1, required: true});
	const unit = h("select", UNITS.map(([words, seconds]) => h("option", {value: seconds}, words)));
	const then = h("select", h("option", {value: "reject"}, "it is not sent"),
		h("option", {value: "approve"}, "it is sent"));

	return {
		about: [[/hitl_ttl_seconds/, count, "It waits for a second at least, and for 7 days at most."]],
		node: h("div", h("div", {class: "field"}, on), h("div", {class: "row"}, field("It waits for at most", count),
			field("Unit", unit), field("Without a decision", then))),
		value: () => ({hitl_enabled: on.control.checked,
			hitl_ttl_seconds: Number(count.value) * Number(unit.value),
			hitl_expiration_action: then.value}),
		set: agent => {
			const [n, name] = inUnits(agent.hitl_ttl_seconds);

			on.control.checked = agent.hitl_enabled;
			count.value = n;
			unit.value = Object.fromEntries(UNITS)[name];
			then.value = agent.hitl_expiration_action;
		},
	};
}

export function approvalSection(agent, signal, changed) {
	return section("Approval by a human", {base: agent, signal}, approvalFields(), false, changed);
}
