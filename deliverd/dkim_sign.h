/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing composed mails (DKIM, RFC 6376) by libopendkim: rsa-sha256,
 * relaxed/relaxed, never l=. Every field of the mail is signed, and those that
 * decide what a reader sees are signed once more than they are there, so that
 * none can be added. The signature ends DKIM_SIGN_DAYS after the mail goes out: that is
 * longer than Postfix keeps trying, and then nobody can send the mail again as new.
 */
#ifndef E2A_DELIVERD_DKIM_SIGN_H
#define E2A_DELIVERD_DKIM_SIGN_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/mem.h"

enum { DKIM_SIGN_DAYS = 7, DKIM_SIGN_FIELD_MAX = 2048 };

struct dkim_sign_key {
	struct slice domain;      /* d=, as addr_domain() gives it */
	struct slice selector;    /* s=, one label or more */
	struct slice private_key; /* as rsa_generate() gives it */
};

struct dkim_signer;

/*
 * Any number of threads may sign with it at once. What it signs may wait so long until it
 * goes out.
 */
enum err dkim_signer_new(int64_t wait_s, struct dkim_signer **ret, struct fail *fail) MUST_CHECK;
void dkim_signer_free(struct dkim_signer *s);
DEFINE_FREEP(struct dkim_signer, dkim_signer_free)

/*
 * Appends the DKIM-Signature field, with its last CR LF, that has to stand
 * somewhere above the fields of `mail`; at most DKIM_SIGN_FIELD_MAX bytes. The
 * mail is one that compose_mail() made. About 1 ms of a processor for a mail of
 * 4 KB, of which two thirds are reading the key: libopendkim does it each time.
 *
 * ERR_INPUT for a domain, selector or mail that cannot be signed, ERR_CRYPTO
 * for a key, ERR_TOO_BIG when *ret is full, ERR_INTERNAL when the library fails.
 */
enum err dkim_signer_sign(const struct dkim_signer *s, const struct dkim_sign_key *key,
			  struct slice mail, struct buf *ret, struct fail *fail) MUST_CHECK;

#endif
