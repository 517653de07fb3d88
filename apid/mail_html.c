/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML of mail. The browser keeps it from most of what it must not do, by our headers; for what
 * browsers do in spite of those it is made inert.
 */
#include "apid/mail_html.h"

#include "apid/inert_html.h"

_Static_assert(INERT_HTML_GROWTH *MAIL_HTML_PIECE_MAX + INERT_HTML_EXTRA < RESP_PIECE_MAX,
	       "one piece makes one");

struct document {
	struct resp_source html;
	struct inert_html inert;
	bool over;
};

static void document_free(void *arg)
{
	struct document *d = arg;

	d->html.free(d->html.arg);
}

static enum err next_piece(void *arg, struct db *db, struct buf *piece, struct fail *fail)
{
	AUTO(buf_release) struct buf text = BUF_INIT(MAIL_HTML_PIECE_MAX);
	struct document *d = arg;
	enum err e = d->over ? OK : d->html.next(d->html.arg, db, &text, fail);

	if (e || d->over)
		return e;
	e = buf_check(&text);
	d->over = text.len == 0;
	inert_html_feed(&d->inert, buf_slice(&text), piece);
	if (d->over)
		inert_html_end(&d->inert, piece);
	return e;
}

static const struct {
	const char *name;
	struct slice value;
} headers[] = {
	{ "Content-Security-Policy",
	  SLICE_INIT("sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
		     "form-action 'none'; base-uri 'none'; frame-ancestors 'self'") },
	{ "X-Frame-Options", SLICE_INIT("SAMEORIGIN") },
	{ "X-DNS-Prefetch-Control", SLICE_INIT("off") },
	{ "Referrer-Policy", SLICE_INIT("no-referrer") },
	{ "Cross-Origin-Resource-Policy", SLICE_INIT("same-origin") },
	{ "X-Robots-Tag", SLICE_INIT("noindex, nofollow") },
};

void mail_html_answer(struct req *r, const struct resp_source *html)
{
	struct document *d = arena_alloc(&r->arena, sizeof(*d));

	*d = (struct document){ .html = *html };
	resp_html(&r->resp, 200);
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		resp_header(&r->resp, headers[i].name, headers[i].value);
	r->resp.source = (struct resp_source){
		.next = next_piece,
		.free = document_free,
		.arg = d,
		.size = -1,
	};
}
