/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request target (RFC 9112 3.2.1, origin form): path segments and query,
 * cut first and percent-decoded after that, so that an encoded '/' never makes
 * a segment.
 */
#ifndef E2A_APID_TARGET_H
#define E2A_APID_TARGET_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

enum { TARGET_SEGMENTS_MAX = 16, TARGET_QUERY_MAX = 32 };

struct target {
	struct slice path;                         /* raw, without query */
	struct slice segment[TARGET_SEGMENTS_MAX]; /* decoded; may hold '/' and NUL */
	size_t n;
	bool deep;      /* more segments than fit: no route has so many */
	bool canonical; /* no empty segment, "." or ".." (one empty segment may end it) */
	struct {
		struct slice name, value; /* decoded, '+' is a space */
	} query[TARGET_QUERY_MAX];        /* further parameters are dropped */
	size_t query_n;
	struct slice raw_query; /* with its '?', or empty */
};

/*
 * Reads a raw target. ERR_INPUT when it does not begin with '/' or a '%' in
 * the path is not followed by two hex digits.
 */
enum err target_parse(struct slice raw, struct arena *a, struct target *ret) MUST_CHECK;
/* Percent-decodes text of a query or form, where '+' is a space; else ERR_INPUT. */
enum err target_decode_form(struct slice s, struct arena *a, struct slice *ret) MUST_CHECK;
/* The first parameter of that name, or an empty slice. */
struct slice target_query(const struct target *t, struct slice name);
/* Appends the cleaned path and the query: what a client that is not canonical is sent to. */
void target_canonical(const struct target *t, struct buf *ret);

#endif
