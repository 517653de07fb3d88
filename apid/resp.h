/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A response before it goes out. Errors are plain text,
 * successes JSON and a line feed. Without a status the request was not answered.
 */
#ifndef E2A_APID_RESP_H
#define E2A_APID_RESP_H

#include "apid/waits.h"
#include "common/base/buf.h"
#include "common/base/jsonf.h"
#include "common/store/db.h"

#include <stdint.h>

enum { RESP_BODY_MAX = 64 * 1024 * 1024, RESP_RETRY_S = 2 };

enum { RESP_HEADERS_MAX = 12, RESP_PIECE_MAX = 256 * 1024 };

/*
 * A part of the body that is made while it goes out, at `at` of the buffered
 * body. `next` runs on a worker, with the worker's connection, and appends at most
 * RESP_PIECE_MAX bytes; nothing appended is the end. When it fails, the
 * client's connection breaks, so that a cut body never looks whole.
 */
struct resp_source {
	enum err (*next)(void *arg, struct db *db, struct buf *piece, struct fail *fail);
	void (*free)(void *arg); /* called once, also when the client went away; may be NULL */
	void *arg;
	int64_t size; /* bytes it will make, or -1: not known, the body is chunked */
	size_t at;
	/*
	 * NULL: it does not wait. Else it has entered, nothing appended is the end only when
	 * wait->over is set, and `next` is called again for mail or when wait->until_ms has come.
	 */
	struct wait *wait;
};

struct resp {
	int status;
	const char *type; /* NULL: no Content-Type */
	const char *location;
	bool nosniff;
	bool close;
	bool ws_version; /* Sec-WebSocket-Version: 13 */
	int retry_after_s;
	struct {
		const char *name;
		struct slice value;
	} header[RESP_HEADERS_MAX];
	size_t header_n;
	bool cacheable; /* without Cache-Control: no-store */
	struct buf body;
	struct jsonw json;
	struct buf kept; /* what an Idempotency-Key keeps in place of the body; empty: the body */
	struct jsonw kept_json;
	struct resp_source source; /* next is NULL: there is none */
};

void resp_init(struct resp *r);
void resp_release(struct resp *r);
/* Status and text, instead of whatever was begun before. */
void resp_error(struct resp *r, int status, const char *text);
void resp_errorf(struct resp *r, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A status without body or Content-Type. */
void resp_empty(struct resp *r, int status);
void resp_redirect(struct resp *r, const char *location);
/* A body of which the source makes all; taken over. */
void resp_stream(struct resp *r, int status, const char *type, const struct resp_source *source);
/* Begins a JSON body; the caller writes one value. */
struct jsonw *resp_json(struct resp *r, int status);
/*
 * Begins what is kept for repetitions of the request in place of the JSON body:
 * the same without what may be shown only once. After resp_json().
 */
struct jsonw *resp_kept(struct resp *r);
/* Begins a body of that media type. */
struct buf *resp_bytes(struct resp *r, int status, const char *type);
/* Begins an HTML page with the headers that keep it to itself (page.h). */
struct buf *resp_html(struct resp *r, int status);
/* Another header field; `value` lives as long as the request and has no CR or LF. */
void resp_header(struct resp *r, const char *name, struct slice value);
/* To be called once, after the handler: ends a JSON body, and makes what did not fit a 500. */
void resp_finish(struct resp *r);

/* key + timestamp, in microseconds and in whole seconds. */
void resp_key_time(struct jsonw *w, const char *key, int64_t t_us);
void resp_key_seconds(struct jsonw *w, const char *key, int64_t t_us);
/* As resp_key_time(); 0 is null. */
void resp_key_time_or_null(struct jsonw *w, const char *key, int64_t t_us);
void resp_key_texts(struct jsonw *w, const char *key, const struct slice *v, size_t n);
void resp_texts(struct jsonw *w, const struct slice *v, size_t n);

#endif
