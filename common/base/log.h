/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event on standard error:
 *     <level> <event> key=value key="escaped value"
 * The event name is fixed text, values are escaped, so nobody can forge a
 * line. Only daemons log; `common` returns errors instead. Never pass bodies,
 * keys or secrets.
 */
#ifndef E2A_BASE_LOG_H
#define E2A_BASE_LOG_H

#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdint.h>

enum log_level { LOGL_DEBUG, LOGL_INFO, LOGL_WARN, LOGL_ERROR };

struct log_field {
	const char *key; /* NULL ends the list */
	enum { LOG_F_SLICE, LOG_F_INT } type;
	struct slice s;
	int64_t i;
};

/* Fields: a string (may be NULL), a slice, an integer. */
#define LF_STR(k, v)                                                                               \
	{                                                                                          \
		.key = (k), .type = LOG_F_SLICE, .s = slice_str(v)                                 \
	}
#define LF_SLICE(k, v)                                                                             \
	{                                                                                          \
		.key = (k), .type = LOG_F_SLICE, .s = (v)                                          \
	}
#define LF_INT(k, v)                                                                               \
	{                                                                                          \
		.key = (k), .type = LOG_F_INT, .i = (int64_t)(v)                                   \
	}

/* log_info("mail_stored", LF_STR("queue_id", q), LF_INT("size", n)); fields may be absent. */
#define log_debug(...) LOG_AT(LOGL_DEBUG, __VA_ARGS__, { .key = NULL })
#define log_info(...) LOG_AT(LOGL_INFO, __VA_ARGS__, { .key = NULL })
#define log_warn(...) LOG_AT(LOGL_WARN, __VA_ARGS__, { .key = NULL })
#define log_error(...) LOG_AT(LOGL_ERROR, __VA_ARGS__, { .key = NULL })
#define LOG_AT(level, event, ...) log_event(level, event, (struct log_field[]){ __VA_ARGS__ })

/* `ident` (a literal) opens each line; lines below `level` are dropped. */
void log_init(const char *ident, enum log_level level);
/* Names a level: debug, info, warn, error. */
enum err log_level_parse(struct slice name, enum log_level *ret) MUST_CHECK;
/* Thread-safe; one write(2) per line; a value is cut at 512 bytes. */
void log_event(enum log_level level, const char *event, const struct log_field *fields);

#endif
