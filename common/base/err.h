/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error codes. One table maps each code to its name, to whether a later try
 * may succeed, and to the HTTP and SMTP replies, so that LMTP and HTTP answer
 * one failure alike. Codes are values; bugs are assert(), out of memory aborts.
 */
#ifndef E2A_BASE_ERR_H
#define E2A_BASE_ERR_H

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum err {
	OK = 0,
	ERR_INPUT,          /* the peer's data is wrong; the same data will fail again */
	ERR_TOO_BIG,        /* a limit on size, count or depth was passed */
	ERR_UNAUTHORIZED,   /* no credential, or one that is not valid */
	ERR_FORBIDDEN,      /* a valid credential that does not reach this far */
	ERR_NOT_FOUND,      /* proven absent (or somebody else's, which looks the same) */
	ERR_CONFLICT,       /* the state does not allow it, or a unique key is taken */
	ERR_RATE,           /* a rate limit; come back later */
	ERR_BUSY,           /* a bounded resource of ours is used up */
	ERR_TIMEOUT,        /* a deadline passed */
	ERR_IO,             /* a system call failed */
	ERR_NETWORK,        /* a remote peer could not be reached or broke off */
	ERR_DNS,            /* name service answered with a temporary failure */
	ERR_STORAGE,        /* Postgres is away or refused for a reason that may pass */
	ERR_COMMIT_UNKNOWN, /* the connection was lost while COMMIT was under way */
	ERR_SCHEMA,         /* the database schema is not the one this program knows */
	ERR_CONFIG,         /* a setting, key file or secret is missing or unusable */
	ERR_CRYPTO,         /* authentication of sealed data failed */
	ERR_INTERNAL,       /* our own failure, cause logged */
	ERR_COUNT
};

struct err_info {
	const char *name;     /* stable word for logs */
	bool retryable;       /* the same request may succeed later */
	int http;             /* HTTP status */
	int smtp;             /* SMTP/LMTP reply code (RFC 5321) */
	const char *enhanced; /* enhanced status code (RFC 3463) */
	const char *text;     /* short public text, free of details */
};

/* What went wrong, for one log line. `what` never holds a secret. */
struct fail {
	enum err code;
	char what[240];
};

/* The row of a code; unknown codes get the row of ERR_INTERNAL. */
const struct err_info *err_info(enum err code);

/*
 * Fills *fail (which may be NULL) and returns `code`, so callers can return it.
 * fail->what may be among the arguments.
 */
enum err fail_set(struct fail *fail, enum err code, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
