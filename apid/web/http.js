// SPDX-License-Identifier: Apache-2.0
// One request and its answer, and what can become of it. api.js is what pages use.

export const TIMEOUT_MS = 30000;
const ERROR_TEXT_MAX = 500;

/** status: of HTTP, 0 when there was no answer. text: a line to show. retryAfter: seconds. */
export class ApiError extends Error {
	constructor(status, text, retryAfter = 0) {
		super(text);
		this.name = "ApiError";
		this.status = status;
		this.text = text;
		this.retryAfter = retryAfter;
	}
}

/** The line of an error as a sentence. */
export const sentence = text =>
	(text.charAt(0).toUpperCase() + text.slice(1)).replace(/([^.!?])$/, "$1.");

/** What ends a request that the user left. */
export const ABANDONED = () => new DOMException("the page was left", "AbortError");

/** Was it left by the user, not by a failure? */
export const isAbort = e => e?.name === "AbortError";

function noAnswer(e, signal, timeout) {
	if (signal?.aborted)
		return ABANDONED();
	if (e?.name === "TimeoutError")
		return new ApiError(0, `The server did not answer within ${timeout / 1000} seconds.`);
	return new ApiError(0, "The server cannot be reached.");
}

// Errors of e2a are a line of text; what else there is comes from something before it.
async function errorOf(answer) {
	const plain = (answer.headers.get("Content-Type") ?? "").startsWith("text/plain");
	const line = plain ? (await answer.text()).trim().slice(0, ERROR_TEXT_MAX) : "";
	const wait = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);

	return new ApiError(answer.status, line || `The server answered with status ${answer.status}.`,
		wait > 0 ? wait : 0);
}

async function valueOf(answer) {
	const text = await answer.text();

	if (text === "")
		return null;
	try {
		return JSON.parse(text);
	} catch {
		throw new ApiError(502, "What answered was not e2a: the answer cannot be read.");
	}
}

async function ask(method, url, options, signal) {
	const {body, headers = {}, raw} = options;
	const has = body !== undefined && body !== null;
	const answer = await fetch(url, {
		method, signal, credentials: "same-origin", redirect: "error", cache: "no-store",
		headers: {...headers, ...(has ? {"Content-Type": "application/json"} : {})},
		body: has ? JSON.stringify(body) : undefined,
	});

	if (!answer.ok)
		throw await errorOf(answer);
	return raw ? answer : await valueOf(answer);
}

/**
 * Sends once. Options: body (becomes JSON), headers, signal, timeout (ms), raw (the Response
 * itself). Throws ApiError, or AbortError when the signal ended it.
 */
export async function send(method, url, options = {}) {
	const {signal, timeout = TIMEOUT_MS} = options;
	const late = AbortSignal.timeout(timeout);

	try {
		return await ask(method, url, options, signal ? AbortSignal.any([signal, late]) : late);
	} catch (e) {
		throw e instanceof ApiError ? e : noAnswer(e, signal, timeout);
	}
}
