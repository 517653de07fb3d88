/* SPDX-License-Identifier: Apache-2.0 */
/* Responses. The text of an error is for people: short, one line, free of our own details. */
#include "apid/resp.h"

#include "common/base/clock.h"

#include <assert.h>

static const char json_type[] = "application/json";

void resp_init(struct resp *r)
{
	*r = (struct resp){ .body = BUF_INIT(RESP_BODY_MAX), .kept = BUF_INIT(RESP_BODY_MAX) };
}

static void drop_source(struct resp *r)
{
	if (r->source.free)
		r->source.free(r->source.arg);
	r->source = (struct resp_source){ 0 };
}

void resp_release(struct resp *r)
{
	drop_source(r);
	buf_release(&r->body);
	buf_release(&r->kept);
}

static void restart(struct resp *r, int status, const char *type)
{
	buf_reset(&r->body);
	buf_reset(&r->kept);
	drop_source(r);
	r->header_n = 0;
	r->location = NULL;
	r->status = status;
	r->type = type;
}

void resp_error(struct resp *r, int status, const char *text)
{
	resp_errorf(r, status, "%s", text);
}

void resp_errorf(struct resp *r, int status, const char *fmt, ...)
{
	va_list ap;

	restart(r, status, "text/plain; charset=utf-8");
	r->nosniff = true;
	if (status == 503)
		r->retry_after_s = RESP_RETRY_S;
	va_start(ap, fmt);
	buf_vaddf(&r->body, fmt, ap);
	va_end(ap);
	buf_add_char(&r->body, '\n');
}

void resp_empty(struct resp *r, int status)
{
	restart(r, status, NULL);
}

void resp_redirect(struct resp *r, const char *location)
{
	restart(r, 301, NULL);
	r->location = location;
}

void resp_stream(struct resp *r, int status, const char *type, const struct resp_source *source)
{
	restart(r, status, type);
	r->source = *source;
}

struct jsonw *resp_json(struct resp *r, int status)
{
	restart(r, status, json_type);
	jsonw_init(&r->json, &r->body);
	return &r->json;
}

struct jsonw *resp_kept(struct resp *r)
{
	buf_reset(&r->kept);
	jsonw_init(&r->kept_json, &r->kept);
	return &r->kept_json;
}

struct buf *resp_bytes(struct resp *r, int status, const char *type)
{
	restart(r, status, type);
	r->nosniff = true;
	return &r->body;
}

struct buf *resp_html(struct resp *r, int status)
{
	return resp_bytes(r, status, "text/html; charset=utf-8");
}

void resp_header(struct resp *r, const char *name, struct slice value)
{
	assert(r->header_n < RESP_HEADERS_MAX);
	r->header[r->header_n].name = name;
	r->header[r->header_n++].value = value;
}

void resp_finish(struct resp *r)
{
	if (r->type == json_type)
		buf_add_char(&r->body, '\n');
	if (buf_failed(&r->body) || r->status == 0)
		resp_error(r, 500, "internal error");
}

void resp_key_time(struct jsonw *w, const char *key, int64_t t_us)
{
	char text[CLOCK_TEXT_MAX];

	clock_rfc3339_us(t_us, text);
	jsonw_key_text(w, key, slice_str(text));
}

void resp_key_seconds(struct jsonw *w, const char *key, int64_t t_us)
{
	char text[CLOCK_TEXT_MAX];

	clock_rfc3339_s(t_us, text);
	jsonw_key_text(w, key, slice_str(text));
}

void resp_key_time_or_null(struct jsonw *w, const char *key, int64_t t_us)
{
	if (t_us) {
		resp_key_time(w, key, t_us);
		return;
	}
	jsonw_key(w, key);
	jsonw_null(w);
}

void resp_key_texts(struct jsonw *w, const char *key, const struct slice *v, size_t n)
{
	jsonw_key(w, key);
	resp_texts(w, v, n);
}

void resp_texts(struct jsonw *w, const struct slice *v, size_t n)
{
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		jsonw_text(w, v[i]);
	jsonw_array_end(w);
}
