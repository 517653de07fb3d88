/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Postfix's log as evidence: what it says of one envelope sender, and whether
 * it can be taken to say all. Lines are those of syslog or of postlogd(8), with
 * traditional ("Jan  5 10:30:00", local time) or RFC 3339 times.
 */
#ifndef E2A_DELIVERD_POSTFIX_LOG_H
#define E2A_DELIVERD_POSTFIX_LOG_H

#include "common/base/err.h"
#include "common/base/slice.h"
#include "deliverd/smtp_replies.h"

enum { POSTFIX_QUEUE_ID_MAX = 30 };

enum postfix_log_kind {
	POSTFIX_LOG_OTHER,
	POSTFIX_LOG_ACCEPTED,     /* qmgr(8) has a mail from this sender */
	POSTFIX_LOG_RCPT_REFUSED, /* smtpd(8) refused a recipient */
	POSTFIX_LOG_MAIL_REFUSED  /* smtpd(8), cleanup(8) or a milter refused the mail */
};

struct postfix_log_line { /* slices of the line */
	struct slice queue_id;
	struct slice rcpt;       /* of a refusal; may be empty */
	struct smtp_reply reply; /* of a refusal; code 0 where Postfix logs none */
};

/* What a line says about mail from this sender, which is an address by addr_usable(). */
enum postfix_log_kind postfix_log_read(struct slice line, struct slice sender,
				       struct postfix_log_line *ret);
/*
 * The time of a line. The traditional form lacks year and zone: it is the
 * latest such time that is not after tomorrow; of two when clocks were set
 * back. ERR_INPUT when there is none.
 */
enum err postfix_log_time(struct slice line, int64_t now_us, int64_t *ret_us) MUST_CHECK;

struct postfix_log_query {
	struct slice sender;
	const struct slice *rcpts;
	size_t rcpts_n;
	int64_t since_us; /* nothing of interest is older */
	int64_t now_us;
};

struct postfix_log_answer {
	bool accepted, refused;
	char queue_id[POSTFIX_QUEUE_ID_MAX + 1]; /* when accepted */
};

/*
 * Reads the log backwards, and what was rotated to <path>.1 behind it, until
 * a line older than since_us, at most window_bytes. ret_rcpts has the replies
 * of recipients that were refused, code 0 for the others. OK: what is not in
 * the answer did not happen, as far as it was logged. Any other code: the
 * answer may lack something, and fail says why: the file cannot be read
 * (ERR_IO), goes back not far enough (ERR_NOT_FOUND, or ERR_TOO_BIG for the
 * window), has no line since since_us (ERR_TIMEOUT), or times that cannot be
 * relied on (ERR_INPUT).
 */
enum err postfix_log_search(const char *path, int64_t window_bytes,
			    const struct postfix_log_query *query, struct smtp_reply *ret_rcpts,
			    struct postfix_log_answer *ret, struct fail *fail) MUST_CHECK;

#endif
