/* SPDX-License-Identifier: Apache-2.0 */
/* Which proxy the environment asks for, as libcurl reads it. */
#ifndef E2A_CLI_PROXY_H
#define E2A_CLI_PROXY_H

#include "common/base/arena.h"
#include "common/base/weburl.h"

/*
 * host:port of the HTTP proxy for this URL, or NULL: https_proxy or HTTPS_PROXY for
 * https, http_proxy for http, then all_proxy or ALL_PROXY; none for hosts of no_proxy or NO_PROXY,
 * nor for this computer.
 */
const char *proxy_for(struct arena *a, const struct weburl *u);

#endif
