/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs that we call on behalf of somebody else (webhooks). One reader for the
 * check when a URL is stored and for the attempt itself, so that both mean the
 * same host (RFC 3986, restricted).
 */
#ifndef E2A_BASE_WEBURL_H
#define E2A_BASE_WEBURL_H

#include "common/base/err.h"
#include "common/base/netaddr.h"
#include "common/base/slice.h"

enum { WEBURL_MAX = 2048 };

struct weburl { /* slices into the text that was read */
	bool https;
	struct slice host; /* name or address, without brackets, as written */
	uint16_t port;     /* 443 or 80 when none was written */
	bool literal;      /* host is an address: */
	struct netaddr address;
};

/*
 * ERR_INPUT, with a short reason for people in fail->what, unless the text is
 * an absolute http or https URL of printable ASCII, at most WEBURL_MAX bytes,
 * with a host and without user information. The host is an address or a name
 * of letters, digits, '-', '_' and '.', whose last label is not numeric (no
 * short or octal forms of IPv4).
 */
enum err weburl_parse(struct slice text, struct weburl *ret, struct fail *fail) MUST_CHECK;
/* `localhost`, or an address of this computer. */
bool weburl_is_loopback(const struct weburl *u);
/* Ports that may be called at public addresses: 80, 443 and those above 1023. */
bool weburl_port_allowed(uint16_t port);

/* scheme "://" authority of a URL that weburl_parse() took, as it is written there. */
struct slice weburl_origin(struct slice url);

#endif
