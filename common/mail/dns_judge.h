/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a record published? Each judge sees what DNS holds under one name (no
 * record: n is 0) and what is wanted there. What stands in DNS is written by
 * anybody; it is compared and goes nowhere.
 */
#ifndef E2A_MAIL_DNS_JUDGE_H
#define E2A_MAIL_DNS_JUDGE_H

#include "common/mail/dns.h"

enum dns_status {
	DNS_UNKNOWN,   /* DNS gave no answer, not all of it, or was not asked yet */
	DNS_MISSING,   /* no record of that kind */
	DNS_DIFFERENT, /* one that says something else, or several where one may be */
	DNS_PUBLISHED,
	DNS_STATUS_COUNT
};

/* As clients and the database have it. */
const char *dns_status_word(enum dns_status status);
/* DNS_UNKNOWN for what is no such word. */
enum dns_status dns_status_of(struct slice word);

/* MX: no other host is preferred to `host`, or as good. */
enum dns_status dns_judge_mx(const struct dns_answer *answer, struct slice host);
/* TXT: exactly the token. */
enum dns_status dns_judge_token(const struct dns_answer *answer, struct slice token);
/*
 * TXT: one key record (RFC 6376 3.6.1) with `key` behind p=, for rsa and
 * e-mail, that is not there for tests only. White space and the order of its tags do
 * not matter.
 */
enum dns_status dns_judge_dkim(const struct dns_answer *answer, struct slice key);
/*
 * TXT: one SPF record (RFC 7208) that names each of `mechanisms` (divided by
 * spaces) where it counts; or "mx", when `mx_is_ours`. DNS_UNKNOWN when another
 * record, to which it leads, may.
 */
enum dns_status dns_judge_spf(const struct dns_answer *answer, struct slice mechanisms,
			      bool mx_is_ours);
/* TXT: one DMARC record (RFC 7489 6.3) with a policy, whichever it is. */
enum dns_status dns_judge_dmarc(const struct dns_answer *answer);

#endif
