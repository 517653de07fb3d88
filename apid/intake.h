/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of one request on its way in. Small ones are free; of a larger one each
 * byte is taken from the memory that all clients share, in steps as it comes: who announces
 * much and sends nothing holds nothing. What does not fit is read and dropped, so that
 * there can be an answer.
 */
#ifndef E2A_APID_INTAKE_H
#define E2A_APID_INTAKE_H

#include "apid/shares.h"
#include "common/base/buf.h"

enum {
	INTAKE_FREE = 64 * 1024,          /* bytes that cost nothing */
	INTAKE_STEP = 1024 * 1024,        /* bytes that are reserved at once */
	INTAKE_DISCARD_MAX = 1024 * 1024, /* bytes of a body that is too long that are read on */
};

struct intake {
	struct shares *shares;
	const struct netaddr *client;
	struct buf *body; /* its ceiling is what the route admits */
	size_t expected;  /* bytes that come at most */
	size_t reserved;  /* of the shares */
	size_t dropped;
	bool refused; /* the body is not kept */
};

/* The client, whose address is known before the first byte, and the body outlive it. */
void intake_init(struct intake *i, struct shares *shares, const struct netaddr *client,
		 struct buf *body);
/*
 * So many bytes are announced; 0: that is not known. False when there is no room for
 * them now: the body is refused then. Reserves nothing.
 */
bool intake_expect(struct intake *i, uint64_t announced);
/* From now on nothing is kept. */
void intake_refuse(struct intake *i);
/* The next bytes. False when more was dropped than is worth reading. */
bool intake_take(struct intake *i, struct slice data);
/* Gives back what it reserved; the body is the caller's. */
void intake_release(struct intake *i);

#endif
