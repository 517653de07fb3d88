/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The login of a program on the user's computer (the `e2a` command): it listens
 * on a loopback port and is brought an API key by the user's browser. Its
 * callback and state travel with the sign-in, whatever that is, and are checked
 * anew wherever they come from.
 */
#ifndef E2A_APID_CLI_LOGIN_H
#define E2A_APID_CLI_LOGIN_H

#include "apid/loopback_url.h"
#include "apid/req.h"

#define CLI_CONSENT_PATH "/api/auth/cli"
#define LOGIN_PATH "/api/auth/login"

enum { CLI_STATE_MAX = 512 };

struct cli_login {
	struct slice callback, state; /* both empty: a browser's own login */
	struct loopback_url url;      /* of the callback */
};

/* The two checked, or false and 400. Both may be empty. */
bool cli_login_check(struct req *r, struct slice callback, struct slice state,
		     struct cli_login *ret);
/* cli_callback and cli_state of the query, of the form. */
bool cli_login_query(struct req *r, struct cli_login *ret);
bool cli_login_form(struct req *r, struct cli_login *ret);
/* `path` with the two as query, if there are any; in the arena of the request. */
const char *cli_login_path(struct req *r, const char *path, const struct cli_login *l);
/* The two as hidden fields of a form. */
void cli_login_hidden(struct buf *page, const struct cli_login *l);

#endif
