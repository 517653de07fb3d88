/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a WebSocket opening handshake (RFC 6455 4.2.1) and what may be wrong with them. */
#ifndef E2A_APID_UPGRADE_H
#define E2A_APID_UPGRADE_H

#include "common/base/slice.h"

#include <stdbool.h>

struct upgrade {
	struct slice method;
	bool http_1_1;
	struct slice connection, upgrade; /* values; of several fields the last one */
	struct slice version, key, protocol;
	unsigned version_n, key_n, protocol_n; /* how often the field came */
};

enum upgrade_fault {
	UPGRADE_OK,
	UPGRADE_ABSENT,   /* no upgrade to WebSocket was asked for */
	UPGRADE_METHOD,   /* not GET */
	UPGRADE_VERSION,  /* not version 13 */
	UPGRADE_KEY,      /* not exactly one key of 16 bytes in base64 */
	UPGRADE_PROTOCOL, /* a sub-protocol, of which there is none */
};

/* Takes a field into the handshake if it belongs there. */
void upgrade_field(struct upgrade *u, struct slice name, struct slice value);
enum upgrade_fault upgrade_check(const struct upgrade *u);

#endif
