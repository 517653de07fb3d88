/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Organisational domains (RFC 7489 3.2) by the public suffix list. libopendmarc
 * has a list of its own, but it takes any two domains below an unlisted suffix
 * for one organisation, so neither its list nor its alignment is used.
 */
#ifndef E2A_MILTER_ORGDOMAIN_H
#define E2A_MILTER_ORGDOMAIN_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/slice.h"

struct psl;

/* Reads the list. ERR_CONFIG names the file. */
enum err psl_open(const char *path, struct psl **ret, struct fail *fail) MUST_CHECK;
void psl_close(struct psl *p);
/*
 * The organisational domain of a domain in the form of addr_domain(). Empty
 * when the domain is itself a public suffix.
 */
struct slice org_domain(const struct psl *p, struct slice domain, struct arena *a);
/* Relaxed alignment (RFC 7489 3.1); strict is equality. False when either is empty. */
bool org_aligned(const struct psl *p, struct slice a_domain, struct slice b_domain);

#endif
