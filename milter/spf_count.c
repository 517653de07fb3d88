/* SPDX-License-Identifier: Apache-2.0 */
/* Counts; never resolves anything itself. */
#include "milter/spf_count.h"

enum { NAMES_TOTAL_MAX = SPF_LOOKUPS_MAX * SPF_NAMES_MAX };

static bool is_address(enum dns_type type)
{
	return type == DNS_A || type == DNS_AAAA;
}

static bool is_named(const struct spf_count *c, struct slice name)
{
	for (size_t i = 0; i < c->names_n; i++)
		if (slice_ieq(c->names[i], name))
			return true;
	return false;
}

bool spf_count_query(struct spf_count *c, struct slice name, enum dns_type type)
{
	if (c->exceeded)
		return false;
	if (is_address(type) && is_named(c, name))
		return true;
	if (++c->lookups > SPF_LOOKUPS_MAX)
		c->exceeded = "lookups";
	return !c->exceeded;
}

static void add_name(struct spf_count *c, struct slice name, struct arena *a)
{
	if (!c->names)
		c->names = arena_calloc(a, NAMES_TOTAL_MAX, sizeof(*c->names));
	if (c->names_n < NAMES_TOTAL_MAX)
		c->names[c->names_n++] = arena_slice(a, name);
}

struct slice spf_record_name(enum dns_type type, struct slice record)
{
	ptrdiff_t space = slice_find(record, ' ');

	return type == DNS_MX ? slice_sub(record, (size_t)(space + 1), record.n) : record;
}

/* More than 10 MX names are an error; of PTR names the first 10 count (RFC 7208 4.6.4). */
static void add_names(struct spf_count *c, enum dns_type type, const struct dns_answer *answer,
		      struct arena *a)
{
	if (type == DNS_MX && answer->n > SPF_NAMES_MAX)
		c->exceeded = "mx_names";
	for (size_t i = 0; i < answer->n && i < SPF_NAMES_MAX; i++)
		add_name(c, spf_record_name(type, answer->v[i]), a);
}

void spf_count_answer(struct spf_count *c, struct slice name, enum dns_type type,
		      const struct dns_answer *answer, bool nxdomain, struct arena *a)
{
	if (answer->n > 0) {
		if (type == DNS_MX || type == DNS_PTR)
			add_names(c, type, answer, a);
		return;
	}
	if (is_address(type) && is_named(c, name) && !nxdomain)
		return;
	if (++c->voids > SPF_VOIDS_MAX)
		c->exceeded = "void_lookups";
}
