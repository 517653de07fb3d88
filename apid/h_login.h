/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers of signing in share: names that one writes and another reads. */
#ifndef E2A_APID_H_LOGIN_H
#define E2A_APID_H_LOGIN_H

#include "apid/cli_login.h"

#define LOGIN_HOME "/dashboard"
#define LOGIN_KEY_PATH "/api/auth/key"
#define LOGIN_LINK_PATH "/api/auth/link"
#define LOGIN_COOKIE_PATH "/api/auth"
#define LOGIN_BROWSER_COOKIE "e2a_sign_in" /* which browser asked for a link */
#define LOGIN_STATE_COOKIE "e2a_oauth_state"

/* Sends the browser to the OpenID provider. */
void login_begin_oidc(struct req *r, const struct cli_login *cli);

#endif
