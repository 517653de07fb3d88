/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash of an ordered list of header fields and of a body, made alike on both
 * sides of Postfix: what binds a verdict or a ticket to the bytes of one mail.
 *
 * The milter passes what libmilter gives it under SMFIP_HDR_LEADSPC (leading
 * space kept, folds as LF), deliverd the slices of header_parse() (folds as
 * CR LF): a field is hashed as its length and name ":" value LF with CR LF as
 * LF. Everything else counts byte for byte. A body is hashed as it is, in any
 * chunks.
 */
#ifndef E2A_MAIL_MAIL_HASH_H
#define E2A_MAIL_MAIL_HASH_H

#include "common/base/mem.h"
#include "common/base/slice.h"

struct mail_hash;

struct mail_hash *mail_hash_new(void);
void mail_hash_field(struct mail_hash *h, struct slice name, struct slice value);
void mail_hash_body(struct mail_hash *h, struct slice chunk);
/* Writes both digests and frees the hash. */
void mail_hash_finish(struct mail_hash *h, uint8_t ret_header[32], uint8_t ret_body[32]);
void mail_hash_free(struct mail_hash *h);
DEFINE_FREEP(struct mail_hash, mail_hash_free)

#endif
