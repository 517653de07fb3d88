/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identifiers. Ids of stored objects are
 * UUIDv7 (RFC 9562 5.7) in 32 lower-case hex digits behind a prefix, so that
 * they sort by time; secrets are random.
 */
#ifndef E2A_BASE_IDS_H
#define E2A_BASE_IDS_H

#include "common/base/err.h"
#include "common/base/slice.h"

enum {
	ID_MAX = 48,          /* room for any prefixed id and its NUL */
	ID_HEX_LEN = 32,      /* digits behind the prefix */
	TOKEN_HEX_LEN = 64,   /* random digits of a key or secret */
	TOKEN_PREFIX_LEN = 12 /* what a list shows of a key or secret */
};

#define ID_PREFIX_USER ""
#define ID_PREFIX_MESSAGE "msg_"
#define ID_PREFIX_API_KEY "apk_"
#define ID_PREFIX_SECRET "wsec_"
#define ID_PREFIX_SIGNING_KEY "wkey_"
#define ID_PREFIX_EVENT "ev_"
#define ID_PREFIX_MAIL "mail_"
#define ID_PREFIX_FEEDBACK "fb_"
#define ID_PREFIX_DELEGATION "dlg_"
#define ID_PREFIX_REVIEWER "rev_"
#define ID_PREFIX_USAGE "ue_"
#define API_KEY_PREFIX "e2a_"
#define DOMAIN_TOKEN_PREFIX "e2a-verify="

/* prefix + UUIDv7 in hex; monotonic within one process. */
void id_new(const char *prefix, char ret[ID_MAX]);
/* `digits` random hex digits (even, at most 64) and a NUL. */
void id_random_hex(size_t digits, char ret[TOKEN_HEX_LEN + 1]);
/* True for prefix + 32 lower-case hex digits. */
bool id_valid(struct slice s, const char *prefix);
/* True for what id_random_hex() makes of TOKEN_HEX_LEN digits. */
bool id_token_valid(struct slice s);

#endif
