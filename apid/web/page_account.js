// SPDX-License-Identifier: Apache-2.0
// The account: whose it is, all its data as a file, its end.
import {del, get} from "./api.js";
import {ask} from "./dialog.js";
import {h, replace} from "./dom.js";
import {button} from "./form.js";
import {several} from "./mail_words.js";
import {mailText} from "./mailtext.js";
import {me} from "./session.js";
import {when} from "./time.js";

const EXPORT = "/api/v1/users/me/export";
const COUNTED = [["agents_deleted", "Agents"], ["messages_deleted", "Messages"],
	["domains_deleted", "Domains"], ["api_keys_deleted", "API keys"], ["sessions_deleted", "Sessions"]];

// The browser saves it while it comes; only the session is looked at before.
async function save() {
	await get("/api/auth/me");
	const link = h("a", {href: EXPORT, download: ""});

	document.body.append(link);
	link.click();
	link.remove();
}

function gone(done) {
	document.title = "Deleted — e2a";
	replace(document.querySelector("header"), h("span", {class: "brand"}, "e2a"));
	replace(document.getElementById("main"),
		h("h1", {tabindex: "-1"}, "The account is deleted"),
		h("p", "What was in it:"),
		h("dl", COUNTED.map(([name, words]) => [h("dt", words), h("dd", String(done[name]))])),
		h("p", h("a", {href: "/api/auth/login"}, "To the sign-in page")));
	document.querySelector("h1").focus();
}

async function end() {
	const sure = await ask("Delete the account and all that is in it?", {
		yes: "Delete for good", danger: true, typed: me().email,
		text: "There is no way back, and no copy but one that you have downloaded.",
	});

	if (sure)
		gone(await del("/api/v1/users/me", {confirm: "DELETE"}));
}

function whose(user) {
	return h("section", {class: "card", "aria-labelledby": "whose"},
		h("h2", {id: "whose"}, "Yours"),
		h("dl", h("dt", "E-mail"), h("dd", mailText(user.email)),
			user.name ? [h("dt", "Name"), h("dd", mailText(user.name))] : null,
			h("dt", "Since"), h("dd", when(user.created_at)),
			h("dt", "Id"), h("dd", h("code", user.id))));
}

function data() {
	return h("section", {class: "card", "aria-labelledby": "data"},
		h("h2", {id: "data"}, "Your data"),
		h("p", "Everything that is stored about you, mail too, as one JSON file. Secrets and keys are " +
			"not in it. A download that breaks off is not whole."),
		button("Download", save, {less: true}));
}

function ending(agents, domains, keys) {
	return h("section", {class: "card", "aria-labelledby": "end"},
		h("h2", {id: "end"}, "The end of it"),
		h("p", "Deleting the account deletes, at once:"),
		h("ul",
			agents.length ? h("li", several(agents.length, "agent"),
				", with all mail that was sent, received or waits") : null,
			domains.length ? h("li", several(domains.length, "domain"),
				": no mail to it is taken any more") : null,
			keys === null ? h("li", "API keys, that of this session too")
				: keys.length ? h("li", several(keys.length, "API key")) : null,
			h("li", "signing secrets and keys, and every session"),
			h("li", "delegations, reviewers, suppressed addresses, and what was counted")),
		h("p", "Messages that are on their way cannot be called back."),
		button("Delete the account …", end, {danger: true}));
}

export default {
	title: () => "Account",

	async show(main, params, {signal}) {
		// Who signed in with a key sees none.
		const unseen = e => e.status === 403 ? null : Promise.reject(e);
		const load = url => get(url, null, {signal});
		const [user, {agents}, {domains}, keys] = await Promise.all([load("/api/auth/me"),
			load("/api/v1/agents"), load("/api/v1/domains"), load("/api/keys").catch(unseen)]);

		main.append(whose(user), data(), ending(agents, domains, keys));
	},
};
