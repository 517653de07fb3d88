// SPDX-License-Identifier: Apache-2.0
// Mail that waits: words that the list and the review of one have in common, and what the user
// has typed about one, which outlives the page as long as its window does.
import {ApiError} from "./http.js";
import {me} from "./session.js";

const PREFIX = "e2a.edit.";

let over = false;

const key = id => `${PREFIX}${me().id}.${id}`;

export const PENDING = "pending_approval";

/** A mail as the server told of it. What else answered in its place ends nothing. */
export function told(m) {
	if (typeof m?.status === "string")
		return m;
	throw new ApiError(502, "What answered was not e2a: the answer cannot be read.");
}

/** What happens to it when nobody decides. */
export function endOf(hold, agent) {
	return agent?.hitl_expiration_action === "approve" && hold.hold_reason !== "reply_budget"
		? "sent" : "discarded";
}

const CHANNELS = {api: "with an API key", session: "in a browser", link: "by the link in a mail",
	mail: "by answering a mail"};

/** What became of one that waits no more, as a sentence. */
export function outcome(m) {
	const how = [m.reviewed_by && ` by ${m.reviewed_by}`, CHANNELS[m.review_channel] &&
		`, ${CHANNELS[m.review_channel]}`].filter(Boolean).join("");
	const why = m.rejection_reason ? `: ${m.rejection_reason}` : "";

	return {
		sent: m.review_channel ? `It was approved${how}${m.edited ? ", with changes" : ""}, and sent.`
			: "It was sent; nobody had to approve it.",
		rejected: `It was rejected${how}, and not sent${why}.`.replace(/\.+$/, "."),
		expired_approved: "Nobody decided in time, so it was sent: its agent is set up so.",
		expired_rejected: "Nobody decided in time, so it was not sent.",
	}[m.status] ?? "It waits no more.";
}

export function keep(id, typed) {
	try {
		if (!over)
			sessionStorage.setItem(key(id), JSON.stringify(typed));
	} catch {
		// no room: the browser asks before it closes the page
	}
}

export function forget(id) {
	try {
		sessionStorage.removeItem(key(id));
	} catch {
		// without a storage there is nothing
	}
}

function allKept() {
	try {
		return Object.keys(sessionStorage).filter(k => k.startsWith(PREFIX));
	} catch {
		return [];
	}
}

/** Is there something typed that whoever signs out would lose? */
export const keptAny = () => allKept().length > 0;

/** Of whoever has signed out nothing stays, and nothing more is kept. */
export function forgetAll() {
	over = true;
	allKept().forEach(k => sessionStorage.removeItem(k));
}

/** Has that been done? */
export const isForgotten = () => over;

/** What was kept, or null. */
export function kept(id) {
	try {
		const was = JSON.parse(sessionStorage.getItem(key(id)));

		return was?.fields instanceof Object ? was : null;
	} catch {
		return null;
	}
}
