/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML pages. Data gets into a page through page_text() only; what is added as
 * a plain string is markup of ours.
 */
#include "apid/page.h"

#include "common/base/crypto.h"
#include "common/base/html.h"

enum { POLICY_MAX = 1024 };

/* The Content-Security-Policy names its hash: no other style applies. */
static const char style[] =
	":root{color-scheme:light dark;--text:#1c1e21;--soft:#5c636b;--line:#d5d9de;--page:#f4f5f7;"
	"--card:#fff;--act:#1a56c4;--on:#fff}"
	"@media(prefers-color-scheme:dark){:root{--text:#e6e8eb;--soft:#a3abb4;--line:#3a4048;"
	"--page:#14161a;--card:#1e2127;--act:#8ab4ff;--on:#10131a}}"
	"*{box-sizing:border-box}"
	"body{margin:0;padding:1rem;background:var(--page);color:var(--text);"
	"font:1rem/1.5 system-ui,sans-serif}"
	"main{max-width:32rem;margin:8vh auto 2rem;padding:1.75rem;background:var(--card);"
	"border:1px solid var(--line);border-radius:.75rem;overflow-wrap:anywhere}"
	"h1{margin:0 0 .75rem;font-size:1.4rem;line-height:1.25}"
	"p{margin:.75rem 0}main>:last-child{margin-bottom:0}small,.soft{color:var(--soft)}"
	"label{display:block;margin:1rem 0 .35rem;font-weight:600}"
	"input[type=email],select{width:100%;padding:.65rem .75rem;font:inherit;color:inherit;"
	"background:var(--page);border:1px solid var(--line);border-radius:.5rem}"
	"button,a.act{display:block;width:100%;margin:1rem 0 0;padding:.7rem 1rem;font:inherit;"
	"font-weight:600;text-align:center;text-decoration:none;cursor:pointer;border-radius:.5rem;"
	"border:1px solid var(--act);background:var(--act);color:var(--on)}"
	"button.less,a.less{background:transparent;color:var(--act)}"
	":focus-visible{outline:3px solid var(--act);outline-offset:2px}"
	"a{color:var(--act)}hr{margin:1.5rem 0;border:0;border-top:1px solid var(--line)}"
	"fieldset{margin:1rem 0 0;padding:0;border:0}legend{padding:0;font-weight:600}"
	".choice{margin:.75rem 0 0;padding:.75rem;border:1px solid var(--line);border-radius:.5rem}"
	".choice label{display:inline;margin:0}.choice p{margin:.35rem 0 .5rem}"
	".choice p:last-child{margin-bottom:0}"
	"input[type=radio],input[type=checkbox]{margin:0 .25rem 0 0;accent-color:var(--act);vertical-align:-.05em}"
	"code{display:block;padding:.6rem .75rem;background:var(--page);"
	"border:1px solid var(--line);border-radius:.5rem;"
	"font:.875rem/1.4 ui-monospace,monospace;overflow-wrap:anywhere}"
	"@media(max-width:32rem){body{padding:.75rem}main{margin-top:0;padding:1.25rem}}";

static const char *policy(struct arena *a, const struct page_head *head)
{
	AUTO(buf_release) struct buf b = BUF_INIT(POLICY_MAX);
	uint8_t hash[SHA256_LEN];

	crypto_sha256(slice_str(style), hash);
	buf_add_str(&b, "default-src 'none'; style-src 'sha256-");
	base64_encode(slice_of((const char *)hash, sizeof(hash)), &b);
	buf_add_str(&b, "'; base-uri 'none'; frame-ancestors 'none'; form-action ");
	buf_add_str(&b, head->posts_to ? head->posts_to : "'none'");
	if (head->nonce)
		buf_addf(&b, "; script-src 'nonce-%s'", head->nonce);
	return arena_dup(a, buf_slice(&b));
}

static void add_headers(struct req *r, const struct page_head *head)
{
	resp_header(&r->resp, "Content-Security-Policy", slice_str(policy(&r->arena, head)));
	resp_header(&r->resp, "X-Frame-Options", S("DENY"));
	resp_header(&r->resp, "Referrer-Policy", S("no-referrer"));
	resp_header(&r->resp, "X-Robots-Tag", S("noindex, nofollow"));
	resp_header(&r->resp, "Cross-Origin-Opener-Policy", S("same-origin"));
}

struct buf *page_begin(struct req *r, int status, const struct page_head *head)
{
	struct buf *out = resp_html(&r->resp, status);
	struct slice title = slice_str(head->title);

	add_headers(r, head);
	buf_add_str(out,
		    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		    "<title>");
	page_text(out, title);
	buf_addf(out, " - e2a</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n<h1>", style);
	page_text(out, title);
	buf_add_str(out, "</h1>\n");
	return out;
}

void page_end(struct buf *out)
{
	buf_add_str(out, "</main>\n</body>\n</html>\n");
}

void page_text(struct buf *out, struct slice s)
{
	html_text(out, s);
}

void page_paragraph(struct buf *out, const char *text)
{
	buf_add_str(out, "<p>");
	page_text(out, slice_str(text));
	buf_add_str(out, "</p>\n");
}

void page_hidden(struct buf *out, const char *name, struct slice value)
{
	if (value.n == 0)
		return;
	buf_addf(out, "<input type=\"hidden\" name=\"%s\" value=\"", name);
	page_text(out, value);
	buf_add_str(out, "\">\n");
}

void page_message(struct req *r, int status, const char *title, const char *text)
{
	struct buf *out = page_begin(r, status, &(struct page_head){ .title = title });

	page_paragraph(out, text);
	page_end(out);
}
