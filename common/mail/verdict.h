/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict: what the milter found out about one mail, sealed so that
 * deliverd can believe it. The value of X-E2A-Verdict is a text of tags
 * (tags.h) that begins with v=1. The seal covers every tag before `s=`, without
 * the white space.
 */
#ifndef E2A_MAIL_VERDICT_H
#define E2A_MAIL_VERDICT_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/mail/header.h"

#define VERDICT_HEADER "X-E2A-Verdict"

/* RFC 8601 2.7 result words; the order is that of verdict_result_name(). */
enum auth_result {
	AUTH_NONE,
	AUTH_PASS,
	AUTH_FAIL,
	AUTH_SOFTFAIL,
	AUTH_NEUTRAL,
	AUTH_POLICY,
	AUTH_TEMPERROR,
	AUTH_PERMERROR,
	AUTH_RESULT_COUNT
};

enum {
	VERDICT_DKIM_MAX = 10,
	VERDICT_TEXT_MAX = 64 * 1024, /* bytes of a header value */
};

struct verdict_dkim {
	enum auth_result result;
	struct slice domain;   /* d=, grammar-checked, or empty */
	struct slice selector; /* s= */
	struct slice reason;   /* fixed word: key_missing, expired, weak_key, body_length, ... */
	bool aligned;          /* relaxed, with the author domain */
	bool signs_addresses;  /* it passed, and covers every From and every To field */
};

struct verdict {
	struct slice queue_id;
	int64_t time_us;
	struct slice client_ip;
	struct slice helo;
	struct slice mail_from;   /* "" for <> */
	struct slice header_from; /* author address, or empty when there is none */
	bool author_valid;        /* addr_author() was OK */
	struct slice origin;      /* "smtp", or "agent" for the inject listener */
	enum auth_result spf;
	struct slice spf_domain;
	bool spf_aligned;
	struct verdict_dkim dkim[VERDICT_DKIM_MAX];
	size_t dkim_n;
	enum auth_result dkim_all; /* best of all signatures */
	enum auth_result dmarc;
	struct slice dmarc_policy; /* none, quarantine, reject or empty */
	uint8_t header_hash[32];   /* mail_hash.h, of the fields as they will stand below it */
	uint8_t body_hash[32];
};

const char *verdict_result_name(enum auth_result r);
/* AUTH_NONE .. by name; ERR_INPUT for any other word. */
enum err verdict_result_parse(struct slice s, enum auth_result *ret) MUST_CHECK;

/* True only when docs/security.md lets `Verified` be true. */
bool verdict_verified(const struct verdict *v);
/* "spf=<r>; dkim=<r>; dmarc=<r>" */
void verdict_domain_check(const struct verdict *v, struct buf *ret);

/* Appends the header value, folded with "\n\t" below 78 columns where possible. */
void verdict_seal(const struct verdict *v, struct slice key, struct buf *ret);
/* ERR_CRYPTO for a wrong seal, ERR_INPUT for text that is no verdict. Slices live in the arena. */
enum err verdict_open(struct slice value, struct slice key, struct arena *a,
		      struct verdict *ret) MUST_CHECK;

struct verdict_claim {         /* what the LMTP transaction says */
	struct slice queue_id; /* XFORWARD IDENT, or empty */
	int64_t now_us;
	int64_t max_age_us;
};

/*
 * Finds the topmost X-E2A-Verdict in a stored message, opens it and compares
 * hashes of what lies below it, queue id and age. OK: *ret may be trusted.
 * ERR_NOT_FOUND: there is none. ERR_CRYPTO / ERR_INPUT: not to be trusted.
 * *ret_reason is then a fixed word for the ledger: no_verdict, malformed,
 * bad_seal, queue_id, too_old, header_hash, body_hash. header_hash is also the
 * answer when `h` is incomplete or a From field stands above the verdict.
 *
 * Postfix hides one field from milters, its own Received: the first one,
 * unless header_checks removed it. So the hash is taken with and without the
 * first Received.
 */
enum err verdict_check(struct slice message, const struct header *h, struct slice key,
		       const struct verdict_claim *claim, struct arena *a, struct verdict *ret,
		       const char **ret_reason) MUST_CHECK;

#endif
