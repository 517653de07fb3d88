/* SPDX-License-Identifier: Apache-2.0 */
/* One model, every index derived from it. Removing forwards would spare every second forgery. */
#include "milter/headers.h"

#include "common/base/mem.h"
#include "common/mail/addr.h"

enum { FIRST_CAP = 64 };

void headers_init(struct headers *h, struct arena *a)
{
	*h = (struct headers){ .arena = a };
}

static void grow(struct headers *h)
{
	size_t cap = h->cap ? 2 * h->cap : FIRST_CAP;
	struct header_field *v = arena_calloc(h->arena, cap, sizeof(*v));

	if (h->h.n > 0)
		memcpy(v, h->h.v, h->h.n * sizeof(*v));
	h->h.v = v;
	h->cap = cap;
}

/* As header_parse() marks them: two readers could understand such a field differently. */
static bool is_odd(struct slice name, struct slice value)
{
	ptrdiff_t cr;

	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return true;
	while ((cr = slice_find(value, '\r')) >= 0) {
		value = slice_sub(value, (size_t)cr + 1, value.n);
		if (value.n == 0 || value.p[0] != '\n')
			return true;
	}
	return false;
}

void headers_add(struct headers *h, struct slice name, struct slice value)
{
	size_t bytes = name.n + 1 + value.n + 2;

	if (h->h.n == HEADER_FIELDS_MAX || h->bytes + bytes > HEADER_BYTES_MAX)
		h->h.limited = true;
	if (h->h.limited)
		return;
	if (h->h.n == h->cap)
		grow(h);
	h->h.v[h->h.n++] = (struct header_field){
		.name = arena_slice(h->arena, name),
		.value = arena_slice(h->arena, value),
		.odd = is_odd(name, value),
	};
	h->bytes += bytes;
	h->truncated |= bytes >= HEADER_CUT - HEADER_CUT_SLACK;
}

/* Which instance of its name the i-th field is. */
static size_t instance_of(const struct headers *h, size_t i)
{
	size_t n = 1;

	for (size_t j = 0; j < i; j++)
		if (slice_ieq(h->h.v[j].name, h->h.v[i].name))
			n++;
	return n;
}

size_t headers_removals(const struct headers *h, struct slice authserv_id,
			struct header_removal **ret)
{
	struct header_removal *v = arena_calloc(h->arena, h->h.n + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = h->h.n; i-- > 0;) {
		if (!header_is_forgery(&h->h.v[i], authserv_id))
			continue;
		v[n++] = (struct header_removal){ h->h.v[i].name, instance_of(h, i) };
	}
	*ret = v;
	return n;
}

bool headers_author(const struct headers *h, struct slice *ret_spec, struct slice *ret_domain)
{
	struct addr author;
	bool valid = addr_author(&h->h, h->arena, &author) == OK && author.spec.n <= ADDR_MAX &&
		     addr_domain(author.domain, h->arena, ret_domain) == OK;

	*ret_spec = slice_sub(author.spec, 0, ADDR_MAX);
	return valid;
}

void headers_hash(const struct headers *h, struct slice authserv_id, struct mail_hash *hash)
{
	for (size_t i = 0; i < h->h.n; i++)
		if (!header_is_forgery(&h->h.v[i], authserv_id))
			mail_hash_field(hash, h->h.v[i].name, h->h.v[i].value);
}
