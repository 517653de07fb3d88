// SPDX-License-Identifier: Apache-2.0
// Making an agent: an address on the shared domain, or on a verified one of one's own.
import {get, path, post} from "./api.js";
import {modeFields} from "./agent_mode.js";
import {h} from "./dom.js";
import {field} from "./form.js";
import {errorForm} from "./form_error.js";
import {say} from "./say.js";

const SHARED = "";

function domainsOf(info, domains) {
	const shared = info.slug_registration_enabled ? [[SHARED, `@${info.shared_domain}`]] : [];

	return [...shared, ...domains.filter(d => d.verified).map(d => [d.domain, `@${d.domain}`])];
}

function bodyOf(local, domain, name, mode) {
	const address = domain === SHARED ? {slug: local} : {email: `${local}@${domain}`};

	return {...address, name, ...mode};
}

function newForm(choices, signal) {
	const local = h("input", {type: "text", required: true, autocomplete: "off", spellcheck: "false",
		autocapitalize: "none", maxlength: 64});
	const domain = h("select", choices.map(([value, words]) => h("option", {value}, words)));
	const name = h("input", {type: "text", autocomplete: "off", maxlength: 200});
	const mode = modeFields("local", "");

	return errorForm([
		h("div", {class: "row"}, field("Address", local), field("Domain", domain)),
		field("Name", name, "For you, and for people who are asked about its mail. May be empty."),
		mode.node,
	], "Make the agent", async () => {
		const body = bodyOf(local.value.trim(), domain.value, name.value.trim(), mode.value());
		const {email} = await post("/api/v1/agents", body, {key: true, signal});

		say("The agent is there.");
		location.hash = path`#/agents/${email}`;
	}, {about: [...mode.about, [/slug|email|address|agent already|domain/, local]]});
}

export default {
	title: () => "New agent",
	async show(main, params, {signal}) {
		const [info, {domains}] = await Promise.all([
			get("/api/v1/info", null, {signal}), get("/api/v1/domains", null, {signal})]);
		const choices = domainsOf(info, domains);

		if (!choices.length) {
			main.append(h("p", "An agent needs a domain, and this server has none for everybody. ",
				h("a", {href: "#/domains"}, "Claim and verify a domain"), " first."));
			return;
		}
		main.append(h("p", "An agent is a program with an e-mail address. Everybody can write to it; ",
			"what it sends carries this address."),
		h("section", {class: "card"}, newForm(choices, signal)),
		h("p", "An address on a domain of your own needs ",
			h("a", {href: "#/domains"}, "that domain, verified"), "."));
	},
};
