// SPDX-License-Identifier: Apache-2.0
// The API, for pages. Reading is repeated until it works or the user leaves, writing is not:
// whether it was done nobody knows, so the user is told. Without a session one is asked to
// sign in over the page, and the request goes on.
import {ApiError, isAbort, send, sentence} from "./http.js";
import {checkSame} from "./session.js";
import {signInAgain} from "./signin.js";
import {patiently, waitOut} from "./trouble.js";

export {ApiError, isAbort};

const PAUSE_MAX_S = 30, ASK_AGAIN_MAX_S = 120, FAILURES_MAX = 3;

// A browser resolves these two even when they are encoded: the way would lead elsewhere.
function segment(value) {
	if (value === "." || value === "..")
		throw new ApiError(404, "There is nothing of that name.");
	return encodeURIComponent(value);
}

/** path`/api/v1/agents/${email}`: values become one segment each. */
export function path(strings, ...values) {
	return String.raw({raw: strings}, ...values.map(segment));
}

function withQuery(url, query) {
	const given = Object.entries(query ?? {})
		.filter(([, v]) => v !== undefined && v !== null && v !== "");

	return given.length ? `${url}?${new URLSearchParams(given)}` : url;
}

// A 500 that stays is no matter of time.
function mayPass(e, tries) {
	if (!(e instanceof ApiError))
		return false;
	if (e.status === 429)
		return e.retryAfter <= ASK_AGAIN_MAX_S;
	return e.status === 0 || (e.status > 500 && e.status < 600) ||
		(e.status === 500 && tries < FAILURES_MAX);
}

const reason = e => e.status === 429 ? "Too many requests." : sentence(e.text);

async function untilSignedIn(method, url, options) {
	for (;;) {
		await checkSame();
		try {
			return await patiently(send(method, url, options));
		} catch (e) {
			if (e.status !== 401)
				throw e;
			await signInAgain(options.signal); // nothing was done: it may be sent again
		}
	}
}

async function untilAnswered(method, url, options) {
	for (let tries = 1; ; tries++) {
		try {
			return await untilSignedIn(method, url, options);
		} catch (e) {
			if (!mayPass(e, tries))
				throw e;
			await waitOut(reason(e), e.retryAfter || Math.min(2 ** (tries - 1), PAUSE_MAX_S),
				options.signal);
		}
	}
}

function randomKey() {
	return Array.from(crypto.getRandomValues(new Uint8Array(16)),
		b => b.toString(16).padStart(2, "0")).join("");
}

// Without an answer of e2a nobody knows; its own 5xx say that nothing was done.
async function once(method, url, options) {
	try {
		return await untilSignedIn(method, url, options);
	} catch (e) {
		if (e instanceof ApiError && [0, 502, 504].includes(e.status))
			e.text += " It may have been done all the same: look before you try again.";
		throw e;
	}
}

function write(method, url, body, options) {
	if (!options.key)
		return once(method, url, {...options, body});
	const headers = {...options.headers,
		"Idempotency-Key": options.key === true ? randomKey() : options.key};
	return untilAnswered(method, url, {...options, body, headers});
}

/** The value of a JSON answer, or null. Options: signal, timeout, raw (the Response). */
export function get(url, query = null, options = {}) {
	return untilAnswered("GET", withQuery(url, query), options);
}

/** Options as above; key: true sends an Idempotency-Key and is then repeated like get(). */
export function post(url, body = null, options = {}) {
	return write("POST", url, body, options);
}

export function put(url, body = null, options = {}) {
	return write("PUT", url, body, options);
}

export function del(url, query = null, options = {}) {
	return write("DELETE", withQuery(url, query), null, options);
}
