/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key files: what a daemon may know of the deployment secret. `e2a-admin keys`
 * derives each key by HKDF with its name as label and writes one file per
 * daemon; a daemon reads only its own (from $CREDENTIALS_DIRECTORY when
 * systemd set it, else from `keys_dir`) and never sees the secret.
 *
 *     # e2a keys 1 milter
 *     seal = <64 hex digits>
 */
#ifndef E2A_BASE_KEYS_H
#define E2A_BASE_KEYS_H

#include "common/base/buf.h"
#include "common/base/crypto.h"

/* Which programs hold which key is the table in keys.c. */
enum key_name {
	KEY_SEAL,     /* verdict seal: milter, deliverd */
	KEY_TICKET,   /* outbound ticket: milter, deliverd */
	KEY_SECRETS,  /* signing secrets and DKIM keys at rest: deliverd, apid, admin */
	KEY_CURSOR,   /* page tokens: apid */
	KEY_MAIL,     /* mail jobs at rest: deliverd, apid */
	KEY_SIGN_IN,  /* what an OpenID provider gives back: apid */
	KEY_APPROVAL, /* what reviewers decide by: deliverd, apid */
	KEY_COUNT
};

struct keys {
	uint8_t key[KEY_COUNT][CRYPTO_KEY_LEN];
	bool has[KEY_COUNT];
};

/*
 * Reads <dir>/<program>.keys. ERR_CONFIG when it is absent, malformed, lacks a
 * key that the program needs, or may be read or written by everybody.
 */
enum err keys_load(const char *program, const char *keys_dir, struct keys *ret,
		   struct fail *fail) MUST_CHECK;
/* All keys, derived from the deployment secret (e2a-admin only). */
void keys_derive(struct slice secret, struct keys *ret);
/* Appends the text of the key file of `program`. */
void keys_print(const char *program, const struct keys *k, struct buf *ret);
/* Overwrites the keys. */
void keys_wipe(struct keys *k);
/* The key as a slice. It must be there. */
struct slice keys_get(const struct keys *k, enum key_name name);

#endif
