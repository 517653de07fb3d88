/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes to the OpenID provider and comes back: base64url, padded, of
 * {"n":nonce,"cb":callback,"cs":state}; the last two only for a CLI's login. It
 * proves nothing until its nonce is that of the browser's cookie.
 */
#ifndef E2A_APID_OIDC_STATE_H
#define E2A_APID_OIDC_STATE_H

#include "common/base/arena.h"
#include "common/base/buf.h"

enum { OIDC_NONCE_LEN = 32, OIDC_STATE_MAX = 8192 };

struct oidc_state {
	struct slice nonce;
	struct slice callback, cli_state;
};

/* ERR_TOO_BIG, when its JSON would have more than OIDC_STATE_MAX bytes. */
enum err oidc_state_write(const struct oidc_state *s, struct buf *ret) MUST_CHECK;
/* ERR_INPUT unless it is that, with a nonce of 32 lower-case hex digits. */
enum err oidc_state_read(struct slice text, struct arena *a, struct oidc_state *ret) MUST_CHECK;

#endif
