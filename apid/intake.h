/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of one request on its way in. Small ones are free; of a larger one each
 * byte is taken from a budget that all connections share, before it is read. What does not fit
 * is read and dropped, so that there can be an answer.
 */
#ifndef E2A_APID_INTAKE_H
#define E2A_APID_INTAKE_H

#include "common/base/budget.h"
#include "common/base/buf.h"

enum {
	INTAKE_FREE = 64 * 1024,          /* bytes that cost nothing */
	INTAKE_DISCARD_MAX = 1024 * 1024, /* bytes of a body that is too long that are read on */
};

struct intake {
	struct budget *budget;
	struct buf *body; /* its ceiling is what the route admits */
	size_t reserved;  /* bytes of the budget */
	size_t dropped;
	bool refused; /* the body is not kept */
};

void intake_init(struct intake *i, struct budget *budget, struct buf *body);
/* Reserves what is announced. False when the budget is spent: the body is refused then. */
bool intake_expect(struct intake *i, uint64_t announced);
/* From now on nothing is kept. */
void intake_refuse(struct intake *i);
/* The next bytes. False when more was dropped than is worth reading. */
bool intake_take(struct intake *i, struct slice data);
/* Gives back what it reserved; the body is the caller's. */
void intake_release(struct intake *i);

#endif
