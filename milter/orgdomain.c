/* SPDX-License-Identifier: Apache-2.0 */
/* libpsl. A name it cannot place aligns with nothing but itself. */
#include "milter/orgdomain.h"

#include "common/base/mem.h"

#include <libpsl.h>

struct psl {
	psl_ctx_t *list;
};

enum err psl_open(const char *path, struct psl **ret, struct fail *fail)
{
	psl_ctx_t *list = psl_load_file(path);
	struct psl *p;

	if (!list || psl_suffix_count(list) <= 0) {
		psl_free(list);
		return fail_set(fail, ERR_CONFIG, "public_suffix_list: cannot read %.180s", path);
	}
	p = mem_alloc(sizeof(*p));
	p->list = list;
	*ret = p;
	return OK;
}

void psl_close(struct psl *p)
{
	if (!p)
		return;
	psl_free(p->list);
	free(p);
}

struct slice org_domain(const struct psl *p, struct slice domain, struct arena *a)
{
	const char *text = arena_dup(a, domain);
	const char *org = domain.n > 0 ? psl_registrable_domain(p->list, text) : NULL;

	return slice_str(org);
}

bool org_aligned(const struct psl *p, struct slice a_domain, struct slice b_domain)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice x, y;

	if (a_domain.n == 0 || b_domain.n == 0)
		return false;
	if (slice_ieq(a_domain, b_domain))
		return true;
	x = org_domain(p, a_domain, &a);
	y = org_domain(p, b_domain, &a);
	return x.n > 0 && slice_ieq(x, y);
}
