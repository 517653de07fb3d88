/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON. Objects are read by a table (field, type, offset, flags) with the
 * tolerance that existing clients rely on: field names match case-insensitively, the last
 * of duplicate keys wins, null means "not given", unknown fields and bytes
 * behind the first value are ignored, invalid UTF-8 becomes U+FFFD. The writer
 * appends compact JSON to a buf and puts the commas itself.
 */
#ifndef E2A_BASE_JSONF_H
#define E2A_BASE_JSONF_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum jsonf_type {
	JSONF_TEXT,   /* struct slice; may hold NUL (from \u0000) */
	JSONF_INT,    /* int64_t; a number with a fraction is a wrong type */
	JSONF_BOOL,   /* bool */
	JSONF_TEXTS,  /* struct jsonf_texts */
	JSONF_BASE64, /* struct jsonf_bytes: a string in base64, decoded */
	JSONF_OBJECTS /* struct jsonf_objects: an array of objects of one kind */
};

struct jsonf_row;

struct jsonf_texts {
	struct slice *v;
	size_t n;
};

struct jsonf_bytes {
	struct slice v;
	bool bad; /* it is no base64 (base64_decode); v is empty then */
};

/* The caller fills the first three before it reads. */
struct jsonf_objects {
	const struct jsonf_row *table; /* of one object, with whatever but JSONF_OBJECTS in it */
	size_t size;                   /* of the struct of one object */
	size_t max;                    /* more are ERR_INPUT */
	void *v;
	size_t n;
};

#define JSONF_NO_GIVEN SIZE_MAX

struct jsonf_row {
	const char *name; /* NULL ends the table */
	enum jsonf_type type;
	size_t offset;
	size_t given_offset; /* of a bool: the field was there and not null; or JSONF_NO_GIVEN */
};

enum {
	JSONF_DEPTH_MAX = 64,
	JSONF_TEXTS_MAX = 1000,
	JSONF_VALUES_MAX = 64 * 1024, /* in all; each costs up to 300 bytes while it is read */
	JSONF_REPAIRS_MAX = 64 * 1024 /* bytes of invalid UTF-8 */
};

/*
 * Fills the struct `ret` (zeroed by the caller) from the first value in `text`,
 * which must be an object. Strings are copied into the arena. ERR_INPUT on
 * malformed text, a wrong type, more than the limits above. Meanwhile a few times
 * the length of `text` is in memory.
 */
enum err jsonf_read(struct slice text, const struct jsonf_row *table, struct arena *a,
		    void *ret) MUST_CHECK;

/*
 * More than JSONF_VALUES_MAX values, or deeper than JSONF_DEPTH_MAX: for who reads JSON by other
 * means than this module.
 */
bool jsonf_is_excessive(struct slice text);

struct jsonw {
	struct buf *out;
	bool comma; /* a value stands before the next one */
};

void jsonw_init(struct jsonw *w, struct buf *out);
void jsonw_object(struct jsonw *w); /* { */
void jsonw_object_end(struct jsonw *w);
void jsonw_array(struct jsonw *w); /* [ */
void jsonw_array_end(struct jsonw *w);
void jsonw_key(struct jsonw *w, const char *key);
/* A string; invalid UTF-8 is written as U+FFFD, <, >, & and U+2028/9 as \u escapes. */
void jsonw_text(struct jsonw *w, struct slice s);
/* A part of a string, cut between characters: what stands inside the quotes. */
void jsonw_text_part(struct buf *out, struct slice s);
void jsonw_int(struct jsonw *w, int64_t v);
void jsonw_bool(struct jsonw *w, bool v);
void jsonw_null(struct jsonw *w);
/* The base64 of the bytes as a string, without an intermediate copy. */
void jsonw_base64(struct jsonw *w, struct slice bytes);
/* JSON text that is known to be valid, as it is. */
void jsonw_raw(struct jsonw *w, struct slice json);
/* key + value in one call. */
void jsonw_key_text(struct jsonw *w, const char *key, struct slice s);
/* ... null for an empty one */
void jsonw_key_text_or_null(struct jsonw *w, const char *key, struct slice s);
void jsonw_key_int(struct jsonw *w, const char *key, int64_t v);
void jsonw_key_bool(struct jsonw *w, const char *key, bool v);

#endif
