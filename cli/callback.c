/* SPDX-License-Identifier: Apache-2.0 */
/* One request to the login's listener. Nothing that comes in gets into what goes out. */
#include "cli/callback.h"

#include "common/base/crypto.h"
#include "common/base/encode.h"
#include "common/base/ids.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

/* The policy names the hash of the style; a test compares them. */
#define STYLE                                                                                      \
	"body{max-width:32rem;margin:15vh auto;padding:0 1rem;"                                    \
	"font:1rem/1.5 system-ui,sans-serif}h1{font-size:1.4rem;line-height:1.25}"
#define STYLE_HASH "xPDj9deKhmJlP00qYPy2lfkN6Bw5O0KHDGu/JnSh3qQ="

#define PAGE(status, title, text)                                                                  \
	"HTTP/1.1 " status "\r\n"                                                                  \
	"Content-Type: text/html; charset=utf-8\r\n"                                               \
	"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; "                    \
	"style-src 'sha256-" STYLE_HASH "'\r\n"                                                    \
	"X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"                      \
	"Cache-Control: no-store\r\nConnection: close\r\n\r\n"                                     \
	"<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"                          \
	"<meta name=\"viewport\" content=\"width=device-width\">\n"                                \
	"<meta name=\"color-scheme\" content=\"light dark\">\n"                                    \
	"<title>" title "</title>\n<style>" STYLE "</style>\n<h1>" title "</h1>\n<p>" text         \
	"</p>\n</html>\n"

void callback_init(struct callback *c, struct slice state)
{
	*c = (struct callback){ .in = BUF_INIT(CALLBACK_HEAD_MAX + CALLBACK_BODY_MAX),
				.state = state };
}

void callback_release(struct callback *c)
{
	if (c->in.p)
		crypto_wipe(c->in.p, c->in.len); /* it may hold a key */
	buf_release(&c->in);
	arena_release(&c->arena);
}

static enum callback_result other(struct callback *c, int status)
{
	c->status = status;
	return CALLBACK_OTHER;
}

/* ---- the form ---- */

/* "+" is a blank, "%XX" a byte; what is neither stays. */
static struct slice decode(struct callback *c, struct slice s)
{
	char *out = arena_alloc(&c->arena, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++, n++) {
		if (s.p[i] == '+')
			out[n] = ' ';
		else if (s.p[i] == '%' && i + 2 < s.n &&
			 hex_decode(slice_sub(s, i + 1, i + 3), &out[n], 1) == OK)
			i += 2;
		else
			out[n] = s.p[i];
	}
	return slice_of(out, n);
}

/* The first field of the name, decoded; empty when there is none. */
static struct slice field(struct callback *c, struct slice form, struct slice name)
{
	struct slice pair, found;

	while (slice_cut(&form, '&', &pair))
		if (slice_cut(&pair, '=', &found) && slice_eq(found, name))
			return decode(c, pair);
	return S("");
}

/* It goes into a header and a file: one visible word. */
static bool is_key(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return slice_starts(s, S(API_KEY_PREFIX));
}

static enum callback_result read_form(struct callback *c, struct slice form)
{
	if (!crypto_equal(field(c, form, S("cli_state")), c->state))
		return other(c, 400);
	c->error = field(c, form, S("error"));
	c->api_key = field(c, form, S("api_key"));
	c->agent_email = field(c, form, S("agent_email"));
	if (c->error.n) {
		c->status = 400;
		return CALLBACK_DENIED;
	}
	if (!is_key(c->api_key) || slice_has_ctl(c->agent_email) || !utf8_valid(c->agent_email))
		return other(c, 400);
	c->status = 200;
	return CALLBACK_GRANTED;
}

/* ---- the request ---- */

/* The value of the last field of that name in the head; *ret_n how many there are. */
static struct slice header(struct slice head, struct slice name, size_t *ret_n)
{
	struct slice line, found = S(""), left;

	*ret_n = 0;
	while (slice_cut(&head, '\n', &line)) {
		if (!slice_cut(&line, ':', &left) || !line.p || !slice_ieq(left, name))
			continue;
		found = slice_trim(line);
		++*ret_n;
	}
	return found;
}

/* Bytes of the body that the head announces; 0 and a status when it cannot be taken. */
static enum callback_result body_length(struct callback *c, struct slice head, size_t *ret)
{
	size_t lengths, codings;
	struct slice text = header(head, S("content-length"), &lengths);
	uint64_t n;

	header(head, S("transfer-encoding"), &codings);
	if (!slice_starts(head, S("POST ")))
		return other(c, 405);
	if (lengths == 0 || codings)
		return other(c, 411);
	if (lengths > 1 || slice_to_u64(text, UINT32_MAX, &n))
		return other(c, 400);
	if (n > CALLBACK_BODY_MAX)
		return other(c, 413);
	*ret = (size_t)n;
	return CALLBACK_MORE;
}

enum callback_result callback_feed(struct callback *c, struct slice bytes)
{
	struct slice all, head, body;
	enum callback_result result;
	ptrdiff_t end;
	size_t length;

	buf_add_slice(&c->in, bytes);
	if (buf_failed(&c->in))
		return other(c, 413);
	all = buf_slice(&c->in);
	end = slice_search(all, S("\r\n\r\n"));
	if (end < 0 || end > CALLBACK_HEAD_MAX)
		return all.n > CALLBACK_HEAD_MAX ? other(c, 431) : CALLBACK_MORE;
	head = slice_sub(all, 0, (size_t)end);
	result = body_length(c, head, &length);
	if (result != CALLBACK_MORE)
		return result;
	body = slice_sub(all, (size_t)end + 4, all.n);
	return body.n < length ? CALLBACK_MORE : read_form(c, slice_sub(body, 0, length));
}

const char *callback_answer(const struct callback *c, enum callback_result result)
{
	static const struct {
		int status;
		const char *answer;
	} others[] = {
		{ 405, PAGE("405 Method Not Allowed", "Not here", "Nothing can be read here.") },
		{ 411, PAGE("411 Length Required", "Not here", "This request cannot be read.") },
		{ 413, PAGE("413 Content Too Large", "Not here", "This request is too big.") },
		{ 431, PAGE("431 Request Header Fields Too Large", "Not here",
			    "This request is too big.") },
	};

	if (result == CALLBACK_GRANTED)
		return PAGE("200 OK", "Signed in", "e2a has its key. You can close this page.");
	if (result == CALLBACK_DENIED)
		return PAGE("400 Bad Request", "Not signed in",
			    "e2a got no key. You can close this page.");
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (others[i].status == c->status)
			return others[i].answer;
	return PAGE("400 Bad Request", "Not signed in",
		    "This is not the answer that e2a waits for. Start e2a login again.");
}
