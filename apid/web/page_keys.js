// SPDX-License-Identifier: Apache-2.0
// API keys: those there are, a new one (shown once), revoking.
import {del, get, path, post} from "./api.js";
import {copyable} from "./copy.js";
import {ask} from "./dialog.js";
import {h, replace} from "./dom.js";
import {button, field, form} from "./form.js";
import {mailText} from "./mailtext.js";
import {showOnce} from "./once.js";
import {say} from "./say.js";
import {me} from "./session.js";
import {table} from "./table.js";
import {when} from "./time.js";

const KEYS = "/api/keys";
const EXPIRY = [["30", "In 30 days"], ["90", "In 90 days"], ["365", "In a year"], ["", "Never"]];
const SOON_MS = 7 * 24 * 3600 * 1000;

function expiry(key) {
	const left = key.expires_at ? new Date(key.expires_at) - Date.now() : Infinity;

	if (left <= 0)
		return h("span", {class: "badge bad"}, "expired");
	return [when(key.expires_at), left < SOON_MS ? h("span", {class: "badge warn"}, "soon") : null];
}

async function revoke(key, reload) {
	const sure = await ask(["Revoke ", mailText(key.name || key.key_prefix), "?"], {
		yes: "Revoke", danger: true,
		text: "Whatever uses it is refused from now on, and its connections are closed. " +
			"This cannot be undone.",
	});

	if (!sure)
		return;
	await del(path`/api/keys/${key.id}`);
	say("The key is revoked.");
	await reload();
}

function row(key, reload) {
	const name = key.name || "without a name";

	return h("tr",
		h("td", key.name ? mailText(name) : h("span", {class: "soft"}, name),
			h("div", h("code", {class: "soft"}, `${key.key_prefix}…`))),
		h("td", key.scope === "agent" ? mailText(key.agent_email) : "The account"),
		h("td", when(key.created_at)), h("td", when(key.last_used_at, {ago: true})),
		h("td", expiry(key)),
		h("td", {class: "end"}, button("Revoke", () => revoke(key, reload),
			{danger: true, less: true, small: true, "aria-label": `Revoke ${name}`})));
}

const COLUMNS = ["Name", "Reaches", "Made", "Used", "Expires", ""];

const list = (keys, reload) => keys.length
	? table("API keys", COLUMNS, keys.map(k => row(k, reload)))
	: h("p", {class: "soft"}, "There is none yet.");

// `wanted`: the address of an agent that the key is probably for.
function maker(agents, wanted, done) {
	const known = agents.some(a => a.email === wanted);
	const agent = h("select", {name: "agent_email"},
		agents.map(a => h("option", {value: a.email, selected: a.email === wanted}, a.email)));
	const agentField = field("Agent", agent, "It reads this agent and its mail, writes as it, " +
		"and reaches nothing else.");
	const scope = h("select", {name: "scope", onchange: () => {
		agentField.hidden = scope.value !== "agent";
	}}, h("option", {value: "account"}, "The whole account"),
	h("option", {value: "agent", disabled: agents.length === 0, selected: known}, "One agent"));

	agentField.hidden = !known;
	return form([
		field("Name", h("input", {type: "text", name: "name", maxlength: "200", autocomplete: "off"}),
			"Where it will be used, so that you know which one to revoke."),
		h("div", {class: "row"}, field("Reaches", scope),
			field("Expires", h("select", {name: "days"},
				EXPIRY.map(([value, words]) => h("option", {value, selected: value === "90"}, words))))),
		agentField,
	], "Make the key", async (data, element) => {
		const days = data.get("days");
		const key = await post(KEYS, {
			name: data.get("name").trim(), scope: data.get("scope"),
			...(data.get("scope") === "agent" ? {agent_email: data.get("agent_email")} : {}),
			...(days ? {expires_in_days: Number(days)} : {}),
		});
		element.reset();
		agentField.hidden = true;
		await done(key);
	});
}

// A session that was opened with a key: what is refused is the way in, which can be another.
const notByKey = () => h("div", {class: "note"},
	h("p", h("strong", "You signed in with an API key.")),
	h("p", "Such a session neither shows nor makes nor revokes keys: it must not outlive its own. ",
		"Sign out, and sign in by a mailed link, or in another way that this server offers. Whoever runs it can ",
		"make a link for you:"),
	copyable(`e2a-admin sign-in ${me().email}`, "the command"));

const NOT_SHOWN = Symbol();

const keysOf = signal => get(KEYS, null, {signal})
	.catch(e => e.status === 403 ? NOT_SHOWN : Promise.reject(e));

export default {
	title: () => "API keys",

	async show(main, params, {signal, query}) {
		const [keys, {agents}] = await Promise.all([
			keysOf(signal), get("/api/v1/agents", null, {signal})]);

		if (keys === NOT_SHOWN) {
			main.append(notByKey());
			return;
		}
		const box = h("div"), shown = h("div");
		const reload = async () => replace(box, list(await get(KEYS, null, {signal}), reload));

		replace(box, list(keys, reload));
		main.append(
			h("p", "A program shows its key with every request: ",
				h("code", "Authorization: Bearer e2a_…")),
			shown, h("section", {class: "card", "aria-labelledby": "keys"},
				h("h2", {id: "keys"}, "Your keys"), box),
			h("section", {class: "card", "aria-labelledby": "new-key"},
				h("h2", {id: "new-key"}, "A new key"),
				maker(agents, query.get("agent"), async key => {
					showOnce(shown, "Copy the key now",
						h("p", "It is shown this once. e2a keeps a hash of it and cannot show it again."),
						copyable(key.key, "the key"));
					await reload();
				})));
	},
};
