// SPDX-License-Identifier: Apache-2.0
// Who decides about mail of an agent that waits.
import {askedPage} from "./asked.js";
import {h} from "./dom.js";

export default askedPage({
	list: "reviewers", address: "address", title: "Reviewers", heading: "Who decides",
	words: "Name a reviewer", label: "E-mail address", hint: "They get a link, and need no account.",
	empty: "Nobody is named: the account's own address is asked about mail that waits.",
	intro: () => h("p", "Reviewers are asked by mail about each message of this agent that waits for ",
		"a human. While one has accepted, the account's own address is not asked; you can decide here ",
		"all the time, under ", h("a", {href: "#/pending"}, "Pending"), "."),
	states: {
		pending: ["waits for an answer", "warn"], expired: ["did not answer", "none"],
		active: ["reviews", "good"], declined: ["declined", "none"], left: ["left", "none"],
	},
	more: item => item.state === "active" &&
		`; gets ${item.full_text ? "the text" : "no text"} by mail${item.by_reply ? ", may answer it to decide" : ""}`,
	may: {
		again: item => ["pending", "expired", "left"].includes(item.state),
		end: () => "Remove",
	},
	question: item => ({question: "Remove this reviewer?", yes: "Remove",
		text: `${item.address} decides about nothing any more, not by links they have either.`}),
});
