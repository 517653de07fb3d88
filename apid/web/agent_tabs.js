// SPDX-License-Identifier: Apache-2.0
// From each page of an agent to the others.
import {path} from "./api.js";
import {h} from "./dom.js";

const TABS = [
	["", "Agent"], ["/inbox", "Inbox"], ["/sent", "Sent"], ["/deliveries", "Webhook calls"],
	["/delegations", "Delegations"], ["/reviewers", "Reviewers"],
];

/** `here` is the end of the page's own hash: "", "/inbox", ... */
export function agentTabs(email, here) {
	return h("ul", {class: "tabs", "aria-label": "Pages of this agent"}, TABS.map(([end, words]) =>
		h("li", h("a", {href: `${path`#/agents/${email}`}${end}`,
			"aria-current": end === here ? "page" : null}, words))));
}
