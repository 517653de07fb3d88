/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dashboard's page and its files, for anybody: they hold nothing of anybody's. Answered on
 * the HTTP thread: bytes of this program, nothing that waits.
 */
#include "apid/coding.h"
#include "apid/etag.h"
#include "apid/handlers.h"
#include "apid/req.h"
#include "apid/web.h"

/*
 * Only files of ours run, style or are asked; nothing can be made into a script; no page of
 * others shows this one. 'self' admits WebSockets of the same origin (CSP 3, 6.7.2.8).
 */
#define POLICY                                                                                     \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "          \
	"connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "              \
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

static void add_headers(struct resp *resp, const char *kept)
{
	resp->nosniff = true;
	resp->cacheable = true;
	resp_header(resp, "Cache-Control", slice_str(kept));
	resp_header(resp, "Cross-Origin-Resource-Policy", S("same-origin"));
	resp_header(resp, "Referrer-Policy", S("no-referrer"));
	resp_header(resp, "X-Robots-Tag", S("noindex, nofollow"));
}

/* Asked for each time: after an upgrade it names another folder. */
void web_get_page(struct req *r)
{
	struct slice etag = slice_str(arena_printf(&r->arena, "\"%s\"", web_hash));

	if (etag_known(r->field.if_none_match, etag))
		resp_empty(&r->resp, 304);
	else
		buf_add_slice(resp_html(&r->resp, 200), web_page);
	add_headers(&r->resp, "no-cache");
	resp_header(&r->resp, "ETag", etag);
	resp_header(&r->resp, "Content-Security-Policy", S(POLICY));
	resp_header(&r->resp, "Cross-Origin-Opener-Policy", S("same-origin"));
	resp_header(&r->resp, "X-Frame-Options", S("DENY"));
}

static const struct web_file *find(struct slice hash, struct slice name)
{
	if (!slice_eq(hash, slice_str(web_hash)))
		return NULL;
	for (const struct web_file *f = web_files; f->name; f++)
		if (slice_eq(name, slice_str(f->name)))
			return f;
	return NULL;
}

/* A file of another version is absent, so that a page never mixes two. */
void web_get_file(struct req *r)
{
	const struct web_file *f = find(r->param[0], r->param[1]);
	bool gzip = coding_accepted(r->field.accept_encoding, S("gzip"));

	if (!f) {
		resp_error(&r->resp, 404, "file not found");
		return;
	}
	buf_add_slice(resp_bytes(&r->resp, 200, f->type), gzip ? f->gzip : f->bytes);
	if (gzip)
		resp_header(&r->resp, "Content-Encoding", S("gzip"));
	resp_header(&r->resp, "Vary", S("Accept-Encoding"));
	add_headers(&r->resp, "public, max-age=31536000, immutable");
	/* Opened by itself a file is a document: the picture could carry a script. */
	resp_header(&r->resp, "Content-Security-Policy", S("default-src 'none'; sandbox"));
}
