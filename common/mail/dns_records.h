/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of a domain: what is to be published so that mail reaches its
 * agents and their mail is believed, and what is. Each is looked at by itself.
 */
#ifndef E2A_MAIL_DNS_RECORDS_H
#define E2A_MAIL_DNS_RECORDS_H

#include "common/mail/dns_judge.h"

enum dns_record_kind {
	DNS_RECORD_MX,
	DNS_RECORD_TXT, /* the token; at the domain, or at _e2a below it */
	DNS_RECORD_SPF,
	DNS_RECORD_DMARC,
	DNS_RECORD_DKIM,         /* the key that signs */
	DNS_RECORD_DKIM_NEXT,    /* the one that takes its place when it is published */
	DNS_RECORD_DKIM_RETIRED, /* the one before: mail that it signed is under way */
	DNS_RECORD_COUNT
};

enum { DNS_MX_PRIORITY = 10 };

struct dns_record {
	/* Of a DKIM key, given by who keeps it. Empty: there is none. */
	struct slice selector;
	struct slice key; /* as it stands behind p= */
	/* What to publish; without a host, nothing. */
	struct slice host; /* below the domain; "@" is the domain itself */
	struct slice value;
	/* What is. */
	enum dns_status status;
	int64_t checked_us; /* 0: nobody looked yet */
};

/* As clients and the database have it. */
const char *dns_record_name(enum dns_record_kind kind);
/* DNS_RECORD_COUNT for what is no such name. */
enum dns_record_kind dns_record_of(struct slice name);
/* "MX" or "TXT". */
const char *dns_record_type(enum dns_record_kind kind);

/*
 * Fills host and value of what is to be published for the domain, from the
 * keys that are there. Without a token, nobody has to prove anything.
 */
void dns_records_describe(const struct settings *s, struct slice token, struct arena *a,
			  struct dns_record records[DNS_RECORD_COUNT]);
/*
 * Looks for the records that are described, all at once, until the deadline
 * (clock_mono_ms), and fills in their status.
 */
void dns_records_look(struct dns *dns, const struct settings *s, struct slice domain,
		      int64_t deadline_ms, struct arena *a,
		      struct dns_record records[DNS_RECORD_COUNT]);

#endif
