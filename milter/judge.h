/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what was found out to the verdict: alignment, DMARC result, summary.
 * Pure; everything that decides on trust is here and in verdict_verified().
 */
#ifndef E2A_MILTER_JUDGE_H
#define E2A_MILTER_JUDGE_H

#include "common/mail/verdict.h"
#include "milter/check_dkim.h"
#include "milter/check_dmarc.h"
#include "milter/check_spf.h"

struct evidence {
	/* The author: addr_author() and addr_domain() of its domain. */
	bool author_valid;
	struct slice author;        /* local@domain as text, for display when not valid */
	struct slice author_domain; /* A-labels; empty when not valid */
	struct spf_outcome spf;
	struct dkim_outcome dkim;
	struct dmarc_policy dmarc;
};

/* Fills the result fields of *ret and leaves the others alone. Slices are shared with *ev. */
void judge(const struct evidence *ev, const struct psl *psl, struct verdict *ret);

#endif
