/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML pages. Data gets into a page through page_text() and page_mail_text() only; what is
 * added as a plain string is markup of ours.
 */
#include "apid/page.h"

#include "common/base/crypto.h"
#include "common/base/html.h"
#include "common/base/utf8.h"

enum { POLICY_MAX = 1024 };

/* The Content-Security-Policy names its hash: no other style applies. */
static const char style[] =
	":root{color-scheme:light dark;--text:#1c1e21;--soft:#5c636b;--line:#d5d9de;--page:#f4f5f7;"
	"--card:#fff;--act:#1a56c4;--on:#fff;--warn:#a15c00}"
	"@media(prefers-color-scheme:dark){:root{--text:#e6e8eb;--soft:#a3abb4;--line:#3a4048;"
	"--page:#14161a;--card:#1e2127;--act:#8ab4ff;--on:#10131a;--warn:#f0b429}}"
	"*{box-sizing:border-box}"
	"body{margin:0;padding:1rem;background:var(--page);color:var(--text);"
	"font:1rem/1.5 system-ui,sans-serif}"
	"main{max-width:32rem;margin:8vh auto 2rem;padding:1.75rem;background:var(--card);"
	"border:1px solid var(--line);border-radius:.75rem;overflow-wrap:anywhere}"
	"main.wide{max-width:46rem;margin-top:4vh}"
	"h1{margin:0 0 .75rem;font-size:1.4rem;line-height:1.25}"
	"p{margin:.75rem 0}main>:last-child{margin-bottom:0}small,.soft{color:var(--soft)}"
	"label{display:block;margin:1rem 0 .35rem;font-weight:600}"
	"h2{margin:1.5rem 0 .5rem;font-size:1.1rem;line-height:1.3}"
	"input[type=email],input[type=text],textarea,select{width:100%;padding:.65rem .75rem;"
	"font:inherit;color:inherit;background:var(--page);border:1px solid var(--line);border-radius:.5rem}"
	"textarea{display:block;resize:vertical}label.check{display:inline;font-weight:400}"
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
	"dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.25rem 1rem;margin:1rem 0}"
	"dt{color:var(--soft)}dd{margin:0}"
	"pre{margin:.5rem 0;padding:.75rem;white-space:pre-wrap;"
	"overflow-wrap:anywhere;background:var(--page);border:1px solid var(--line);"
	"border-radius:.5rem;font:.9rem/1.5 ui-monospace,monospace}"
	"summary{cursor:pointer;font-weight:600}details{margin:1rem 0}"
	".warn{padding-left:.75rem;border-left:.25rem solid var(--warn)}b.odd{color:var(--warn)}"
	"ul.list{margin:.5rem 0;padding:0;list-style:none}"
	"ul.list>li{padding:.6rem 0;border-top:1px solid var(--line)}"
	"@media(max-width:32rem){body{padding:.75rem}main,main.wide{margin-top:0;padding:1.25rem}}";

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
	buf_addf(out,
		 " \xe2\x80\x94 e2a</title>\n<style>%s</style>\n</head>\n<body>\n<main%s>\n<h1>",
		 style, head->wide ? " class=\"wide\"" : "");
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

/*
 * What makes text look other than it reads: U+202A to U+202E and U+2066 to U+2069 turn it
 * around, tags (U+E0000 to U+E007F) are not seen at all.
 */
static bool is_odd(unsigned c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	       (c >= 0xe0000 && c <= 0xe007f);
}

/* The code point of a sequence that is odd, or 0. */
static unsigned odd_character(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned c = 0;

	if (s.n == 3)
		c = (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	else if (s.n == 4)
		c = (p[0] & 7u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
	return is_odd(c) ? c : 0;
}

/* The bytes up to the next line end or odd character. */
static size_t plain_len(struct slice s)
{
	size_t at = 0;

	while (at < s.n && s.p[at] != '\r') {
		size_t n = utf8_len(slice_sub(s, at, s.n));

		if (n > 2 && odd_character(slice_sub(s, at, at + n)))
			break;
		at += n ? n : 1;
	}
	return at;
}

void page_mail_text(struct buf *out, struct slice s)
{
	while (s.n) {
		size_t n = plain_len(s);

		page_text(out, slice_sub(s, 0, n));
		s = slice_sub(s, n, s.n);
		if (s.n == 0)
			return;
		n = utf8_len(s);
		if (*s.p != '\r')
			buf_addf(out, "<b class=\"odd\">U+%04X</b>",
				 odd_character(slice_sub(s, 0, n)));
		else if (!slice_starts(s, S("\r\n")))
			buf_add_char(out, '\n');
		s = slice_sub(s, n, s.n);
	}
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
