// SPDX-License-Identifier: Apache-2.0
// The way to the pages, who is signed in, and how many messages wait.
import {post} from "./api.js";
import {ask} from "./dialog.js";
import {byId, h, replace} from "./dom.js";
import {button} from "./form.js";
import {forgetAll, keptAny} from "./held.js";
import {send} from "./http.js";
import {mailText} from "./mailtext.js";
import {me} from "./session.js";

const LINKS = [
	["#/", "Overview"], ["#/pending", "Pending"], ["#/domains", "Domains"], ["#/keys", "API keys"],
	["#/secrets", "Signing"], ["#/suppressions", "Suppressions"], ["#/account", "Account"],
	["#/feedback", "Feedback"],
];
const COUNT_MAX = 100, EACH_MS = 60000, AGAIN_MS = 5000;

const count = h("span", {class: "count", hidden: true});
let again = null; // one timer, however often it fails

function setMenu(open) {
	byId("menu").setAttribute("aria-expanded", open);
	byId("nav").classList.toggle("open", open);
}

async function signOut() {
	if (keptAny() && !await ask("Sign out?", {yes: "Sign out", danger: true,
		text: "You began to change a message that waits. What you typed is lost then."}))
		return;
	await post("/api/auth/logout");
	forgetAll();
	replace(byId("main")); // nothing is left for whoever goes back
	replace(byId("nav"));
	location.replace("/api/auth/login");
}

function link([href, words]) {
	return h("li", h("a", {href}, words, href === "#/pending" ? [" ", count] : null));
}

export function showNav() {
	replace(byId("nav"), h("ul", LINKS.map(link)),
		h("div", {class: "who"}, h("p", mailText(me().email)),
			button("Sign out", signOut, {less: true, small: true})));
	byId("menu").addEventListener("click",
		() => setMenu(byId("menu").getAttribute("aria-expanded") !== "true"));
	setInterval(() => document.hidden || countPending(), EACH_MS);
	countPending();
}

/** Marks the page one is on; pages of an agent belong to the overview. */
export function markNav(hash) {
	const at = LINKS.map(([href]) => href).filter(href => href !== "#/")
		.find(href => hash === href || hash.startsWith(`${href}/`)) ?? "#/";

	setMenu(false);
	for (const a of byId("nav").querySelectorAll("a")) {
		const here = a.getAttribute("href") === at;

		if (here)
			a.setAttribute("aria-current", at === hash ? "page" : "true");
		else
			a.removeAttribute("aria-current");
	}
}

/** Counts anew; to be called after a decision. Of failures nobody is told: the page does that. */
export async function countPending() {
	try {
		const {messages} = await send("GET", `/api/v1/messages?page_size=${COUNT_MAX}`);
		const n = messages.length;

		count.hidden = n === 0;
		replace(count, n < COUNT_MAX ? String(n) : `${COUNT_MAX} or more`,
			h("span", {class: "unseen"}, " wait"));
	} catch (e) {
		count.hidden = true;
		clearTimeout(again);
		if (e.status !== 401)
			again = setTimeout(() => document.hidden || countPending(), AGAIN_MS);
	}
}
