/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses (RFC 5322 3.4, RFC 5321 4.1.2). The list parser is tolerant where
 * tolerance is harmless (an unreadable display name never costs the address)
 * and says so where it matters for trust: whoever decides on `Verified` uses
 * addr_author().
 */
#ifndef E2A_MAIL_ADDR_H
#define E2A_MAIL_ADDR_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/mail/header.h"

enum { ADDR_LIST_MAX = 1000, ADDR_COMMENT_DEPTH_MAX = 50, ADDR_MAX = 320 };

struct addr {
	struct slice name;   /* display name, raw (RFC 2047 not decoded), may be empty */
	struct slice local;  /* unquoted */
	struct slice domain; /* as written */
	struct slice spec;   /* local@domain as text, quoted again where needed */
};

struct addr_list {
	struct addr *v;
	size_t n;
	bool group;   /* a group was among them (its members are in the list) */
	bool bad;     /* an element was skipped because it is no mailbox */
	bool odd;     /* something was tolerated that another reader may read differently */
	bool limited; /* a limit above was passed */
};

/* Reads an address list (a From, To, Cc value). Never fails. */
void addr_parse_list(struct slice value, struct arena *a, struct addr_list *ret);
/*
 * Exactly one mailbox, with or without display name, in the form of RFC 5322
 * without its obsolete forms; else ERR_INPUT. CR, LF, NUL and other controls
 * are ERR_INPUT.
 */
enum err addr_parse_one(struct slice text, struct arena *a, struct addr *ret) MUST_CHECK;

/*
 * The author of a message: the mailbox of the only From field. ERR_INPUT when
 * there is not exactly one From field with exactly one mailbox that has a
 * valid domain (several fields, several mailboxes, groups, malformed or
 * obsolete forms), or when the header section holds anything that readers
 * disagree on (bad lines, odd fields, more than the limits). Then *ret is the
 * first usable mailbox for display, or empty: such mail can be shown, never
 * verified.
 */
enum err addr_author(const struct header *h, struct arena *a, struct addr *ret) MUST_CHECK;

/*
 * A domain name in lower-case A-label form without trailing dot (IDNA 2008
 * through libidn2). ERR_INPUT unless each label is LDH, 1..63 bytes, the name
 * at most 253; single labels and IP literals are ERR_INPUT.
 */
enum err addr_domain(struct slice text, struct arena *a, struct slice *ret) MUST_CHECK;
/*
 * The key under which an address of ours is found: local part lower-cased
 * (ASCII), domain by addr_domain().
 */
enum err addr_fold(struct slice spec, struct arena *a, struct slice *ret) MUST_CHECK;
/*
 * An address that mail can be sent to by any Postfix: one mailbox without
 * display name, in ASCII, whose local part needs no quotes, within the lengths of
 * RFC 5321 4.5.3.1. *ret has the domain by addr_domain(), the local part as written.
 */
enum err addr_usable(struct slice text, struct arena *a, struct slice *ret) MUST_CHECK;
/* The local part without "+tag"; the whole when there is none or nothing before it. */
struct slice addr_without_tag(struct slice local);
/* At the last '@'; false when there is none or a side is empty. */
bool addr_split(struct slice spec, struct slice *ret_local, struct slice *ret_domain);

#endif
