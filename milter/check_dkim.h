/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DKIM (RFC 6376, 8301, 8463): every signature of a message, in their order,
 * up to a cap that is applied before any is looked at. The message is fed as
 * it arrives: fields, end of header, body in pieces.
 */
#ifndef E2A_MILTER_CHECK_DKIM_H
#define E2A_MILTER_CHECK_DKIM_H

#include "common/base/arena.h"
#include "common/mail/dns.h"
#include "common/mail/verdict.h"

enum { DKIM_KEY_BITS_MAX = 4096, DKIM_FIELD_MAX = 16 * 1024, DKIM_SIGNED_NAMES_MAX = 64 };

struct dkim_check; /* one message */

struct dkim_outcome {
	struct verdict_dkim v[VERDICT_DKIM_MAX]; /* `aligned` is not decided here */
	size_t n;
	size_t ignored; /* signatures beyond the cap */
};

enum err dkim_check_init(const struct settings *s, struct dns *dns, struct fail *fail) MUST_CHECK;

/* Slices of the outcome live in `a`. ERR_INTERNAL when the library fails. */
enum err dkim_check_new(struct arena *a, const char *id, struct dkim_check **ret) MUST_CHECK;
void dkim_check_free(struct dkim_check *c);
/* `value` as the milter protocol hands it over: everything behind the colon, folds as LF. */
void dkim_check_field(struct dkim_check *c, struct slice name, struct slice value);
enum err dkim_check_eoh(struct dkim_check *c) MUST_CHECK;
enum err dkim_check_body(struct dkim_check *c, struct slice chunk) MUST_CHECK;
/* Asks DNS for the keys until the deadline. `truncated`: a field was cut short by the MTA. */
enum err dkim_check_finish(struct dkim_check *c, int64_t deadline_ms, bool truncated,
			   struct dkim_outcome *ret) MUST_CHECK;

#endif
