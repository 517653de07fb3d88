// SPDX-License-Identifier: Apache-2.0
// What the words of the ledger, of webhook calls and of recipients mean, for people.
import {h} from "./dom.js";
import {mailText} from "./mailtext.js";

const BRIEF_MAX = 200, NAMES_MAX = 20;

const REASONS = {
	http_gone: "it answered 410: it wants no more", connect: "no connection",
	tls: "its certificate is not trusted", timeout: "no answer in time",
	broken: "the connection broke off", dns: "the name service failed for now",
	no_address: "its name has no address", address_refused: "webhooks may not have such an address",
	url_refused: "its URL cannot be used", no_secret: "the account has no usable signing secret",
	not_cloud: "the agent left cloud mode", agent_deleted: "the agent was deleted",
	account_deleted: "the account was deleted", expired: "it was tried for long enough",
	endpoint_disabled: "the webhook is disabled", smtp_4xx: "Postfix put it off",
	smtp_5xx: "Postfix refused it", stopped: "e2a was stopped meanwhile",
	unusable: "no mail can be made of what was stored", no_key: "a key that is needed does not open",
	no_recipient: "every recipient is on the suppression list",
	no_answer: "Postfix did not say whether it has it", found: "found in its queue or log",
	not_found: "neither in its queue nor in its log", untraceable: "its queue and log cannot be read",
	other_host: "they are on another host", operator: "the operator decided so",
	altered: "it is not what was accepted, or approved", storage: "the database was away",
	suppressed: "the address is on the suppression list", message_deleted: "the mail was deleted",
	hitl: "its mail needs approval", reply_budget: "the agent answered one peer too often",
	sealed: "its sender was looked at", no_verdict: "nobody looked at its sender",
};

/** Why, in words; a word that nobody knows here is shown as it is. */
export function reasonWords(reason, status = null) {
	if (reason === "http_status")
		return status ? `it answered with status ${status}` : "it answered with an error";
	return REASONS[reason] ?? reason?.replaceAll("_", " ") ?? "";
}

/** State of a webhook: badge and words. */
export const WEBHOOK = {
	none: ["none", "is none"], ok: ["good", "works"], failing: ["warn", "fails"], open: ["bad", "is down"],
	draining: ["good", "is back"], disabled: ["bad", "is disabled"],
};

const RECIPIENT = {
	queued: ["none", "on its way to Postfix"],
	sent: ["", "taken by Postfix"],
	deferred: ["warn", "put off by the recipient's server, is tried again"],
	delivered: ["good", "taken by the recipient's server"],
	failed: ["bad", "not sent"],
	bounced: ["bad", "returned for good"],
};

export function recipientWords(status) {
	return RECIPIENT[status]?.[1] ?? status;
}

export function badge(words, kind = "") {
	return h("span", {class: `badge ${kind}`.trim()}, words);
}

export function recipientBadge(status, words = status) {
	return badge(words, RECIPIENT[status]?.[0] ?? "");
}

/** "1 mail", "2 mails". */
export function several(n, one, more = `${one}s`) {
	return `${n.toLocaleString("en")} ${n === 1 ? one : more}`;
}

/** The beginning of a text that may be very long, for a heading or a list. */
export function brief(text) {
	return text.length > BRIEF_MAX ? `${text.slice(0, BRIEF_MAX)} …` : text;
}

export const subjectOf = m => brief(m.subject || "(no subject)");

const listed = all => all.flatMap((a, i) => [i ? ", " : "", mailText(a)]);

/** Addresses; of many the first are shown, and the rest is folded. */
export function addresses(all) {
	const rest = all.slice(NAMES_MAX);

	return [listed(all.slice(0, NAMES_MAX)), rest.length
		? h("details", h("summary", `And ${several(rest.length, "other")}`), listed(rest)) : null];
}
