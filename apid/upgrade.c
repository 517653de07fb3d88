/* SPDX-License-Identifier: Apache-2.0 */
/* The opening handshake, judged the same way before and after it was refused. */
#include "apid/upgrade.h"

#include "common/base/encode.h"
#include "common/base/mem.h"

enum { KEY_BYTES = 16 };

static bool lists_token(struct slice value, struct slice token)
{
	struct slice item;

	while (slice_cut(&value, ',', &item))
		if (slice_ieq(slice_trim(item), token))
			return true;
	return false;
}

void upgrade_field(struct upgrade *u, struct slice name, struct slice value)
{
	const struct {
		struct slice name;
		struct slice *value;
		unsigned *count;
	} fields[] = {
		{ S("Connection"), &u->connection, NULL },
		{ S("Upgrade"), &u->upgrade, NULL },
		{ S("Sec-WebSocket-Version"), &u->version, &u->version_n },
		{ S("Sec-WebSocket-Key"), &u->key, &u->key_n },
		{ S("Sec-WebSocket-Protocol"), &u->protocol, &u->protocol_n },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!slice_ieq(name, fields[i].name))
			continue;
		*fields[i].value = slice_trim(value);
		if (fields[i].count)
			++*fields[i].count;
	}
}

static bool key_valid(struct slice key)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT(KEY_BYTES);

	return base64_decode(key, &bytes) == OK && bytes.len == KEY_BYTES;
}

enum upgrade_fault upgrade_check(const struct upgrade *u)
{
	if (!u->http_1_1 || !lists_token(u->connection, S("upgrade")) ||
	    !lists_token(u->upgrade, S("websocket")))
		return UPGRADE_ABSENT;
	if (!slice_eq(u->method, S("GET")))
		return UPGRADE_METHOD;
	if (u->version_n != 1 || !slice_eq(u->version, S("13")))
		return UPGRADE_VERSION;
	if (u->key_n != 1 || !key_valid(u->key))
		return UPGRADE_KEY;
	if (u->protocol_n)
		return UPGRADE_PROTOCOL;
	return UPGRADE_OK;
}
