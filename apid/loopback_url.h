/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The callback of a command-line login: an http URL of this very computer, to
 * which a browser will bring an API key. What two readers may understand in
 * different ways is refused, so that a key never travels.
 */
#ifndef E2A_APID_LOOPBACK_URL_H
#define E2A_APID_LOOPBACK_URL_H

#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdint.h>

enum { LOOPBACK_URL_MAX = 512, LOOPBACK_ORIGIN_MAX = 64 };

struct loopback_url {
	uint16_t port;                    /* 80 when none was written */
	char origin[LOOPBACK_ORIGIN_MAX]; /* as a CSP source; see loopback_url_parse() */
};

/*
 * ERR_INPUT, with the text for the client in fail->what, unless it is an http
 * URL (RFC 3986) of printable ASCII whose host is `localhost`, an address in
 * 127.0.0.0/8, or ::1. CSP knows no other addresses than 127.0.0.1: for those the
 * origin is the scheme alone.
 */
enum err loopback_url_parse(struct slice text, struct loopback_url *ret,
			    struct fail *fail) MUST_CHECK;

#endif
