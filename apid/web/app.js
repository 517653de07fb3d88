// SPDX-License-Identifier: Apache-2.0
// The shell: who is signed in, which page the hash names, and what all pages have in common.
import {isAbort} from "./api.js";
import {byId, h, replace} from "./dom.js";
import {button} from "./form.js";
import {send, sentence} from "./http.js";
import {mailText} from "./mailtext.js";
import {markNav, showNav} from "./nav.js";
import {forgetErrors, sayError, wordsOf} from "./say.js";
import {setMe, watchMe, whoIs} from "./session.js";
import {comeBack, leaveToSignIn} from "./signin.js";
import {waitOut} from "./trouble.js";

import account from "./page_account.js";
import agent from "./page_agent.js";
import delegations from "./page_delegations.js";
import deliveries from "./page_deliveries.js";
import domains from "./page_domains.js";
import feedback from "./page_feedback.js";
import inbox from "./page_inbox.js";
import keys from "./page_keys.js";
import message from "./page_message.js";
import newAgent from "./page_new_agent.js";
import overview from "./page_overview.js";
import pending from "./page_pending.js";
import review from "./page_review.js";
import reviewers from "./page_reviewers.js";
import secrets from "./page_secrets.js";
import sent from "./page_sent.js";
import suppressions from "./page_suppressions.js";

const PAGES = [
	["#/", overview],
	["#/agents", newAgent],
	["#/agents/{email}", agent],
	["#/agents/{email}/delegations", delegations],
	["#/agents/{email}/reviewers", reviewers],
	["#/agents/{email}/inbox", inbox],
	["#/agents/{email}/sent", sent],
	["#/agents/{email}/messages/{id}", message],
	["#/agents/{email}/deliveries", deliveries],
	["#/pending", pending],
	["#/pending/{id}", review],
	["#/domains", domains],
	["#/keys", keys],
	["#/secrets", secrets],
	["#/suppressions", suppressions],
	["#/account", account],
	["#/feedback", feedback],
].map(([pattern, page]) => ({page, pattern: new RegExp(
	`^${pattern.replace(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`)}));

const toOverview = () => h("a", {href: "#/"}, "To the overview");
const ABSENT = {
	title: () => "There is no such page",
	show: main => main.append(h("p", toOverview())),
};
const NEWER_MS = 10 * 60 * 1000, OWN_FOLDER = new URL(".", import.meta.url).pathname;

let leave = new AbortController();
let looked = 0;

function decoded(params) {
	return Object.fromEntries(Object.entries(params ?? {})
		.map(([name, value]) => [name, decodeURIComponent(value)]));
}

// A hash may be followed by a query of the page's own: #/pending?x=y.
function find(hash) {
	const [place, query] = hash.split("?", 2);

	for (const {page, pattern} of PAGES) {
		const found = pattern.exec(place);
		try {
			if (found)
				return {page, params: decoded(found.groups), query: new URLSearchParams(query)};
		} catch {
			break; // not UTF-8
		}
	}
	return {page: ABSENT, params: {}, query: new URLSearchParams()};
}

function titled(heading) {
	return text => {
		replace(heading, mailText(text));
		document.title = `${heading.textContent} — e2a`;
	};
}

function failed(main, e) {
	if (isAbort(e))
		return;
	replace(main, h("p", {class: "error", role: "alert"}, wordsOf(e)),
		h("p", e.status === 403 || e.status === 404 ? toOverview() : button("Try again", () => go())));
}

/** Shows the page that the hash names; the one before is told to stop. */
async function go() {
	const {page, params, query} = find(location.hash || "#/");
	const heading = h("h1", {tabindex: "-1"});
	const content = h("div");
	const loading = h("p", {class: "loading"}, "Loading …");
	const setTitle = titled(heading);

	leave.abort();
	leave = new AbortController();
	const {signal} = leave;
	forgetErrors();
	document.querySelectorAll("dialog[open]").forEach(d => d.close());
	setTitle(page.title(params));
	replace(byId("main"), heading, loading, content);
	byId("main").setAttribute("aria-busy", "true");
	markNav((location.hash || "#/").split("?")[0]);
	scrollTo(0, 0);
	heading.focus({preventScroll: true});
	try {
		await page.show(content, params, {signal, query, title: setTitle});
	} catch (e) {
		failed(content, e);
	}
	loading.remove();
	if (!signal.aborted)
		byId("main").removeAttribute("aria-busy");
}

// After an upgrade of the server the page goes on, with its old modules: say so.
async function lookForNewer() {
	if (document.hidden || Date.now() - looked < NEWER_MS)
		return;
	looked = Date.now();
	try {
		const answer = await send("HEAD", "/", {raw: true});
		const version = /[0-9a-f]{16}/.exec(answer.headers.get("ETag"))?.[0];
		if (version && OWN_FOLDER !== `/web/${version}/`)
			replace(byId("newer"), h("p", "There is a newer version of this page."),
				h("button", {type: "button", class: "small", onclick: () => location.reload()},
					"Load it"));
	} catch {
		// whatever is asked next tells
	}
}

async function askWho() {
	for (let tries = 0; ; tries++) {
		try {
			return await whoIs();
		} catch (e) {
			if (e.status === 401)
				return leaveToSignIn();
			await waitOut(sentence(e.text), e.retryAfter || Math.min(2 ** tries, 30));
		}
	}
}

async function start() {
	addEventListener("unhandledrejection", e => {
		e.preventDefault();
		sayError(e.reason);
	});
	byId("skip").addEventListener("click", e => {
		e.preventDefault();
		byId("main").focus();
	});
	setMe(await askWho());
	watchMe();
	comeBack();
	showNav();
	addEventListener("hashchange", go);
	setInterval(lookForNewer, NEWER_MS);
	document.addEventListener("visibilitychange", lookForNewer);
	await go();
}

start();
