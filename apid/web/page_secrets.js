// SPDX-License-Identifier: Apache-2.0
// What webhook calls are signed with: secrets that both sides know, and pairs of keys of which
// the other side knows the public half.
import {del, get, path, post} from "./api.js";
import {copyable} from "./copy.js";
import {ask} from "./dialog.js";
import {h, replace} from "./dom.js";
import {button, field, form} from "./form.js";
import {mailText} from "./mailtext.js";
import {showOnce} from "./once.js";
import {say} from "./say.js";
import {table} from "./table.js";
import {when} from "./time.js";

const SNIPPET = `import base64, hashlib, hmac, time

def is_genuine(body: bytes, headers, secret: str) -> bool:
    """The body as it came, byte for byte; the secret as 64 hex digits."""
    stamp, shown = headers["webhook-timestamp"], headers["webhook-signature"]
    signed = f"{headers['webhook-id']}.{stamp}.".encode() + body
    mac = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    wanted = "v1," + base64.b64encode(mac).decode()
    return abs(time.time() - int(stamp)) < 300 and any(
        hmac.compare_digest(wanted, one) for one in shown.split())
`;
const LIBRARY = `from standardwebhooks import Webhook

Webhook("whsec_...").verify(body, headers)  # raises unless it is genuine
`;

const SECRETS = {
	url: "/api/v1/users/me/signing-secrets", list: "secrets", id: "secrets",
	heading: "Signing secrets", thing: "secret", most: 5, least: 1,
	intro: "Each call is signed with every secret you have. To replace one, make another, give it " +
		"to those who check, then delete the old one.",
	columns: ["Name", "Begins with", "Made", "Signed last", ""],
	cells: s => [h("td", h("code", `${s.secret_prefix}…`)), h("td", when(s.created_at)),
		h("td", when(s.last_signed_at, {ago: true}))],
	loss: "Calls are no longer signed with it. Whoever checks with it alone refuses them.",
	made: s => ["Copy the secret now", h("p", "It is shown this once."),
		h("h3", "As it is"), copyable(s.secret, "the secret"),
		h("h3", "For libraries of Standard Webhooks"), copyable(s.whsec, "the secret for libraries")],
};
const KEYS = {
	url: "/api/v1/users/me/signing-keys", list: "keys", id: "pairs",
	heading: "Signing keys", thing: "key", most: 3, least: 0,
	intro: "Ed25519 pairs, for those who should check calls but not be able to make them: they get " +
		"the public half, and the other never leaves the server. Calls are signed with them too.",
	columns: ["Name", "Public key", "Made", ""],
	cells: k => [h("td", copyable(k.public_key, `the public key ${k.name}`)), h("td", when(k.created_at))],
	loss: "Calls are no longer signed with it. Whoever checks with it alone refuses them.",
	made: k => ["The key signs from now on", h("p", "Give its public half to those who check calls."),
		copyable(k.public_key, "the new public key")],
};

async function remove(kind, item, reload) {
	const sure = await ask(["Delete ", item.name ? mailText(item.name) : `this ${kind.thing}`, "?"],
		{yes: "Delete", danger: true, text: kind.loss});

	if (!sure)
		return;
	await del(kind.url + path`/${item.id}`);
	say(`The ${kind.thing} is deleted.`);
	await reload();
}

function row(kind, item, last, reload) {
	const name = item.name || "without a name";

	return h("tr", h("td", item.name ? mailText(name) : h("span", {class: "soft"}, name)),
		kind.cells(item),
		h("td", {class: "end"}, last ? h("span", {class: "soft"}, "the last one stays")
			: button("Delete", () => remove(kind, item, reload),
				{danger: true, less: true, small: true, "aria-label": `Delete ${name}`})));
}

function list(kind, items, reload) {
	if (!items.length)
		return h("p", {class: "soft"}, "There is none.");
	return table(kind.heading, kind.columns,
		items.map(item => row(kind, item, items.length <= kind.least, reload)));
}

function maker(kind, done) {
	return form(field(`Name of the new ${kind.thing}`, h("input", {type: "text", name: "name",
		maxlength: "200", autocomplete: "off"}), `At most ${kind.most}.`),
	`Make a ${kind.thing}`, async (data, element) => {
		const item = await post(kind.url, {name: data.get("name").trim()});
		element.reset();
		await done(item);
	});
}

async function section(kind, signal) {
	const load = async () => (await get(kind.url, null, {signal}))[kind.list];
	const rows = h("div"), shown = h("div");
	const reload = async () => replace(rows, list(kind, await load(), reload));

	await reload();
	return h("section", {class: "card", "aria-labelledby": kind.id},
		h("h2", {id: kind.id}, kind.heading), h("p", kind.intro), shown, rows,
		maker(kind, async item => {
			showOnce(shown, ...kind.made(item));
			await reload();
		}));
}

const check = () => h("section", {class: "card", "aria-labelledby": "check"},
	h("h2", {id: "check"}, "How a webhook is checked"),
	h("p", "With a library of ", h("a", {href: "https://www.standardwebhooks.com/", rel: "noreferrer"},
		"Standard Webhooks"), ", for which there are several languages:"),
	copyable(LIBRARY, "the lines for the library", {block: true}),
	h("p", "Or by hand:"),
	copyable(SNIPPET, "the lines without a library", {block: true}));

export default {
	title: () => "Signing",

	async show(main, params, {signal}) {
		main.append(
			h("p", "Webhook calls are signed, so that an agent can tell them from calls of others."),
			...await Promise.all([section(SECRETS, signal), section(KEYS, signal)]), check());
	},
};
