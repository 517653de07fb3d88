/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one resolver, libunbound: caching, with a deadline per question. Safe to
 * use from many threads. Answers never come from /etc/hosts.
 */
#ifndef E2A_MAIL_DNS_H
#define E2A_MAIL_DNS_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/settings.h"
#include "common/base/slice.h"

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28
};
enum { DNS_RECORDS_MAX = 100, DNS_TXT_MAX = 4096 };

struct dns_answer {
	struct slice
		*v; /* rdata: TXT joined from its strings (RFC 7208 3.3), A/AAAA 4/16 bytes,
		     * MX "preference name" as text, PTR/NS/CNAME a name without trailing dot */
	size_t n;
	uint32_t ttl;
};

struct dns;

/* `dns_servers`, `dns_config` of the settings. ERR_CONFIG when libunbound refuses them. */
enum err dns_new(const struct settings *s, struct dns **ret, struct fail *fail) MUST_CHECK;
void dns_free(struct dns *d);
/*
 * OK with n >= 1; ERR_NOT_FOUND when the name or the type does not exist, or
 * the name is none (*ret_nxdomain, which may be NULL, tells them apart);
 * ERR_DNS on SERVFAIL and the like; ERR_TIMEOUT at the deadline
 * (clock_mono_ms). Records beyond DNS_RECORDS_MAX, malformed ones and TXT
 * longer than DNS_TXT_MAX are left out; ERR_TOO_BIG when nothing remains.
 */
enum err dns_query(struct dns *d, struct slice name, enum dns_type type, int64_t deadline_ms,
		   struct arena *a, struct dns_answer *ret, bool *ret_nxdomain) MUST_CHECK;

/* One of several questions, zeroed but for the first two. */
struct dns_question {
	struct slice name;
	enum dns_type type;
	enum err code; /* as dns_query() returns it */
	struct dns_answer answer;
	bool nxdomain;
};
/*
 * Asks all of them at once and waits for the answers until the deadline. What was answered a
 * moment ago needs no time: with a deadline that is over nothing blocks, and the rest is
 * ERR_TIMEOUT.
 */
void dns_query_all(struct dns *d, struct dns_question *v, size_t n, int64_t deadline_ms,
		   struct arena *a);

#endif
