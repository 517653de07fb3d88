// SPDX-License-Identifier: Apache-2.0
// How a mail was verified, in words for people who know nothing of SPF, DKIM and DMARC. The
// words must never promise more than the server found out.
import {h} from "./dom.js";
import {addresses} from "./mail_words.js";
import {mailText} from "./mailtext.js";

const domainOf = address => address.slice(address.lastIndexOf("@") + 1);

const SPF = {
	fail: d => [d, " says that the server which sent it may not send in its name."],
	softfail: d => [d, " says that the server which sent it probably may not send in its name."],
	neutral: d => [d, " does not say whether the server which sent it may send in its name."],
	none: d => [d, " does not say which servers may send in its name."],
	temperror: d => ["What ", d, " says about its servers could not be looked up when the mail came."],
	permerror: d => ["What ", d, " says about its servers cannot be understood."],
};
const POLICY = {
	reject: "wants mail that fails to be refused", quarantine: "wants mail that fails to be set aside",
	none: "asks nothing of those who get mail that fails",
};

const apart = " This is not the domain of the sender that is shown, so it proves nothing about that sender.";

function spfWords(spf) {
	const domain = mailText(spf.domain || "The sending server");

	if (spf.result === "pass")
		return [domain, " permitted the server which sent it.", spf.aligned ? null : apart];
	return (SPF[spf.result] ?? (d => [d, `: ${spf.result}.`]))(domain);
}

function dkimWords(sig) {
	const domain = mailText(sig.domain);

	if (sig.result === "pass")
		return [domain, " signed it, and it was not changed since.", sig.aligned ? null : apart];
	if (sig.result === "temperror")
		return ["The key of ", domain, " could not be looked up when the mail came."];
	return ["It carries a signature of ", domain, " that does not count",
		sig.reason ? [" (", mailText(sig.reason.replaceAll("_", " ")), ")"] : null, "."];
}

function dmarcWords(dmarc, from) {
	const domain = mailText(domainOf(from));

	if (from === "")
		return ["There is no sender whose domain could have a policy."];
	if (dmarc.result === "pass")
		return [domain, " has a policy for mail in its name, and this mail meets it."];
	if (dmarc.result === "fail")
		return [domain, " has a policy for mail in its name, and this mail does not meet it",
			POLICY[dmarc.policy] ? `: it ${POLICY[dmarc.policy]}` : null, "."];
	if (dmarc.result === "none")
		return [domain, " has no policy for mail in its name."];
	return ["The policy of ", domain, dmarc.result === "temperror"
		? " could not be looked up when the mail came." : " cannot be understood."];
}

function check(name, what, result, words) {
	return [h("dt", h("strong", name), ` ${what}`),
		h("dd", h("span", {class: `badge ${result === "pass" ? "good" : "none"}`}, result), " ", words)];
}

function checks(m) {
	const {spf, dkim, dmarc} = m.authentication;

	return h("dl", {class: "checks"},
		spf && check("SPF", "the server", spf.result, spfWords(spf)),
		dkim?.length ? dkim.map(s => check("DKIM", "a signature", s.result, dkimWords(s)))
			: check("DKIM", "a signature", "none", "It carries no signature."),
		dmarc && check("DMARC", "the policy", dmarc.result, dmarcWords(dmarc, m.from)));
}

function delegation(m) {
	const human = /;human=(.+)$/.exec(m.auth_headers?.["X-E2A-Auth-Delegation"] ?? "")?.[1];

	return human && h("p", "The agent writes on behalf of ", mailText(human), ", who agreed to that.");
}

function byAgent(m) {
	return h("div", {class: "note good"},
		h("p", h("strong", "It is from ", mailText(m.from), ", an agent of this server.")),
		h("p", "The server itself passed it on, so the sender is certain. What a program writes, and ",
			"who told it to, is another matter."),
		delegation(m));
}

function byDomain(m) {
	return h("div", {class: "note good"},
		h("p", h("strong", "It is from ", mailText(domainOf(m.from)), ".")),
		h("p", "This domain permitted the mail. Who of its users wrote it, only the domain knows; ",
			"and a domain whose name looks like that of somebody you know may be another's."));
}

function byAnybody(m, judged) {
	return h("div", {class: "note warn"},
		h("p", h("strong", "Anybody could have written this sender.")),
		h("p", judged
			? ["Nothing proves that ", mailText(domainOf(m.from) || "its domain"), " permitted the mail. "]
			: "The mail did not come in by the way on which senders are looked at. ",
		"Treat it like a letter without a signature: do not act on it because of who it says it is from."));
}

function answersElsewhere(m) {
	const others = m.reply_to.filter(a => a.toLowerCase() !== m.from.toLowerCase());

	return others.length ? h("div", {class: "note warn"}, "Answers go to ",
		addresses(others), ", not to the sender.") : null;
}

/** What is known of who sent it: one clear sentence, and what was looked at. */
export function verified(m) {
	const judged = m.authentication?.verdict === "sealed" && Boolean(m.authentication.spf);
	const agent = m.verified && m.auth_headers?.["X-E2A-Auth-Entity-Type"] === "agent";

	return [
		agent ? byAgent(m) : m.verified ? byDomain(m) : byAnybody(m, judged),
		answersElsewhere(m),
		judged && !agent ? checks(m) : null,
	];
}
