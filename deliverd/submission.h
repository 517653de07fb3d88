/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing a mail to Postfix: one SMTP transaction (RFC 5321) by libcurl with
 * the server of submission_url. Blocks, so it belongs on LANE_MAIL.
 */
#ifndef E2A_DELIVERD_SUBMISSION_H
#define E2A_DELIVERD_SUBMISSION_H

#include "common/base/mem.h"
#include "common/base/settings.h"
#include "common/base/slice.h"

enum submission_outcome {
	SUBMISSION_TAKEN,  /* the server has the mail */
	SUBMISSION_LATER,  /* it may take it later, or has it and could not say so */
	SUBMISSION_REFUSED /* 5xx: it will never take this mail */
};

struct submission_answer {
	enum submission_outcome outcome;
	int64_t status; /* the last SMTP reply; 0: there was none */
	char why[32];   /* "" when taken: a word, or "smtp 550"; no text of the server */
};

struct submission;

/* ERR_CONFIG for a submission_url that is not smtp:// or smtps:// with a host, and a port or none.
 */
enum err submission_new(const struct settings *s, struct submission **ret,
			struct fail *fail) MUST_CHECK;
/* `from` and `to` are addresses by addr_usable(); the mail is 7-bit clean, in lines ended by CR LF.
 */
void submission_send(struct submission *s, struct slice from, struct slice to, struct slice mail,
		     struct submission_answer *ret);
/* From any thread: what is under way ends within a second, and nothing more is sent. */
void submission_stop(struct submission *s);
/* How long one call may take. */
int64_t submission_max_ms(const struct submission *s);
void submission_free(struct submission *s);
DEFINE_FREEP(struct submission, submission_free)

#endif
