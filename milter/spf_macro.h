/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPF macros (RFC 7208 7), expanded before libspf2 sees a record: all known
 * memory errors of the library are in its macro code, and Debian's cure for
 * them loses a character of %{d2} and %{l1r}.
 */
#ifndef E2A_MILTER_SPF_MACRO_H
#define E2A_MILTER_SPF_MACRO_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/slice.h"

enum { SPF_DOMAIN_MAX = 253 };

struct spf_client {
	bool v6;
	uint8_t ip[16]; /* network order; 4 bytes for IPv4 */
};

/* What macros stand for. Texts hold no control, space, '%', '/' or 8-bit byte. */
struct spf_context {
	struct spf_client client;
	struct slice local;         /* of the sender */
	struct slice sender_domain; /* of the sender */
	struct slice helo;
	struct slice domain; /* whose record it is */
};

/* Text form; IPv4-mapped IPv6 counts as IPv4 (RFC 7208 5). */
enum err spf_client_parse(struct slice text, struct spf_client *ret) MUST_CHECK;
/* The address as text again, in the one form that libspf2 takes. */
struct slice spf_client_text(const struct spf_client *client, struct arena *a);

/*
 * Checks the syntax of a macro-string; `explanation` admits the letters c, r
 * and t. *ret_slash is where a '/' outside of macros stands, or the length.
 */
enum err spf_macro_check(struct slice s, bool explanation, size_t *ret_slash) MUST_CHECK;
/*
 * Appends the domain name that a checked domain-spec stands for, at most
 * SPF_DOMAIN_MAX bytes (labels are dropped from the left). %{p} is always
 * "unknown", as after a failed look-up (7.3).
 */
void spf_macro_expand(struct slice s, const struct spf_context *ctx, struct buf *ret);

#endif
