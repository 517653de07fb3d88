// SPDX-License-Identifier: Apache-2.0
// On whose behalf an agent writes.
import {askedPage} from "./asked.js";
import {h} from "./dom.js";

export default askedPage({
	list: "delegations", address: "human", title: "Delegations", heading: "Who was asked",
	words: "Ask a human", label: "E-mail address", hint: "They get a link, and need no account.",
	empty: "Nobody was asked yet.",
	intro: () => h("p", "A human may say that this agent writes on their behalf. Its mail to agents ",
		"of this server then says so, signed. It is not needed for sending."),
	states: {
		pending: ["waits for an answer", "warn"], expired: ["did not answer", "none"],
		active: ["agreed", "good"], revoked: ["declined or ended", "none"],
	},
	may: {
		again: item => item.state === "pending" || item.state === "expired",
		end: item => ({active: "End", pending: "Take back"})[item.state] ?? null,
	},
	question: item => item.state === "active"
		? {question: "End this delegation?", yes: "End it",
			text: `New mail of the agent does not name ${item.human} any more.`}
		: {question: "Take the question back?", yes: "Take it back",
			text: `The link that ${item.human} has is of no use then.`},
});
