/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header section as the MTA hands it over: one list, from which come the
 * fields to remove with their indices, the author, and the hash of what stays.
 */
#ifndef E2A_MILTER_HEADERS_H
#define E2A_MILTER_HEADERS_H

#include "common/base/arena.h"
#include "common/mail/header.h"
#include "common/mail/mail_hash.h"

struct headers {
	struct arena *arena;
	struct header h; /* `raw` and `body` are not filled */
	size_t cap;
	size_t bytes;
	bool truncated; /* a field may have been cut short */
};

struct header_removal {
	struct slice name;
	size_t index; /* instance of that name, from 1, in the header as received */
};

void headers_init(struct headers *h, struct arena *a);
/*
 * Adds one field; `value` is everything behind the colon. Beyond
 * HEADER_FIELDS_MAX or HEADER_BYTES_MAX (common/mail/header.h) it is dropped
 * and h.limited set: such a message gets no verdict.
 */
void headers_add(struct headers *h, struct slice name, struct slice value);
/*
 * What must go: the X-E2A- name space and every Authentication-Results with
 * our authserv-id. In the order of removal, last field first, so that no
 * removal shifts the index of one that follows.
 */
size_t headers_removals(const struct headers *h, struct slice authserv_id,
			struct header_removal **ret);
/*
 * The only author: *ret_spec is local@domain, for display also when there is
 * none that counts; *ret_domain is in the form of addr_domain(), when true.
 */
bool headers_author(const struct headers *h, struct slice *ret_spec, struct slice *ret_domain);
/* Hashes the fields that stay, in order. */
void headers_hash(const struct headers *h, struct slice authserv_id, struct mail_hash *hash);

#endif
