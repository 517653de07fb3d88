/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done with addresses once they are read: the author of a message,
 * domain names in one form, and the key of an address of ours. It must never
 * call somebody the author of a message that two readers could understand
 * differently.
 */
#include "common/mail/addr.h"

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

#include <idn2.h>

enum {
	DOMAIN_MAX = 253,
	LABEL_MAX = 63,
	DOMAIN_INPUT_MAX = 1024,
	LOCAL_MAX = 64,
	PATH_MAX_LEN = 254, /* RFC 5321 4.5.3.1.3, without the angle brackets */
};

static bool is_one_clean(const struct addr_list *list)
{
	return list->n == 1 && !list->group && !list->bad && !list->odd && !list->limited;
}

enum err addr_parse_one(struct slice text, struct arena *a, struct addr *ret)
{
	struct addr_list list;

	if (slice_has_ctl(text))
		return ERR_INPUT;
	addr_parse_list(text, a, &list);
	if (!is_one_clean(&list))
		return ERR_INPUT;
	*ret = list.v[0];
	return OK;
}

/* True when every reader finds the same fields in the section. */
static bool is_plain_header(const struct header *h)
{
	if (h->bad || h->limited)
		return false;
	for (size_t i = 0; i < h->n; i++)
		if (h->v[i].odd)
			return false;
	return true;
}

enum err addr_author(const struct header *h, struct arena *a, struct addr *ret)
{
	bool clean = is_plain_header(h) && header_count(h, S("From")) == 1;
	struct slice domain;

	*ret = (struct addr){ 0 };
	for (size_t i = 0; i < h->n && ret->spec.n == 0; i++) {
		struct addr_list list;

		if (!slice_ieq(h->v[i].name, S("From")))
			continue;
		addr_parse_list(h->v[i].value, a, &list);
		if (list.n)
			*ret = list.v[0];
		clean = clean && is_one_clean(&list);
	}
	if (!clean || ret->spec.n == 0)
		return ERR_INPUT;
	return addr_domain(ret->domain, a, &domain);
}

static bool is_ldh(struct slice label)
{
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return label.n >= 1 && label.n <= LABEL_MAX && label.p[0] != '-' &&
	       label.p[label.n - 1] != '-';
}

static bool is_number(struct slice label)
{
	uint64_t n;

	return slice_to_u64(label, UINT64_MAX, &n) == OK;
}

/* Two labels or more, the last no number: neither a host name nor an IP address. */
static bool is_domain(struct slice name)
{
	struct slice rest = name, label = { NULL, 0 };
	size_t n = 0;

	for (; slice_cut(&rest, '.', &label); n++)
		if (!is_ldh(label))
			return false;
	return n >= 2 && name.n <= DOMAIN_MAX && !is_number(label);
}

static struct slice lowered(struct arena *a, struct slice s)
{
	char *out = arena_dup(a, s);

	for (size_t i = 0; i < s.n; i++)
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] = (char)(out[i] + ('a' - 'A'));
	return slice_of(out, s.n);
}

static bool is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 0x7f)
			return false;
	return true;
}

static void idn2_freep(char **p)
{
	idn2_free(*p);
}

/* U-labels to A-labels (RFC 5891), mapped as UTS 46 says. */
static enum err to_ascii(struct slice text, struct arena *a, struct slice *ret)
{
	AUTO(idn2_freep) char *out = NULL;

	if (!utf8_valid(text) || slice_find(text, '\0') >= 0 ||
	    idn2_to_ascii_8z(arena_dup(a, text), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
		    IDN2_OK)
		return ERR_INPUT;
	*ret = slice_of(arena_strdup(a, out), strlen(out));
	return OK;
}

enum err addr_domain(struct slice text, struct arena *a, struct slice *ret)
{
	struct slice name = text;

	if (text.n > DOMAIN_INPUT_MAX)
		return ERR_INPUT;
	if (!is_ascii(name) && to_ascii(text, a, &name) != OK)
		return ERR_INPUT;
	if (slice_ends(name, S(".")))
		name.n--;
	name = lowered(a, name);
	if (!is_domain(name))
		return ERR_INPUT;
	*ret = name;
	return OK;
}

enum err addr_fold(struct slice spec, struct arena *a, struct slice *ret)
{
	AUTO(buf_release) struct buf key = BUF_INIT(ADDR_MAX);
	struct slice local, domain;
	struct addr addr;
	enum err e = addr_parse_one(spec, a, &addr);

	if (e != OK || addr.name.n || slice_ends(spec, S(">")))
		return ERR_INPUT;
	e = addr_domain(addr.domain, a, &domain);
	if (e != OK || !addr_split(addr.spec, &local, &addr.domain))
		return ERR_INPUT;
	buf_add_slice(&key, lowered(a, local));
	buf_add_char(&key, '@');
	buf_add_slice(&key, domain);
	if (buf_failed(&key))
		return ERR_INPUT;
	*ret = arena_slice(a, buf_slice(&key));
	return OK;
}

enum err addr_usable(struct slice text, struct arena *a, struct slice *ret)
{
	struct slice domain;
	struct addr addr;

	if (addr_parse_one(text, a, &addr) || addr.name.n || slice_ends(text, S(">")) ||
	    addr_domain(addr.domain, a, &domain))
		return ERR_INPUT;
	/* As written: neither quotes, which would be gone, nor comments. */
	if (!slice_starts(text, addr.local) || !is_ascii(addr.local) || addr.local.n > LOCAL_MAX ||
	    text.n != addr.local.n + 1 + addr.domain.n)
		return ERR_INPUT;
	if (addr.local.n + 1 + domain.n > PATH_MAX_LEN)
		return ERR_INPUT;
	*ret = slice_str(arena_printf(a, "%.*s@%.*s", SLICE_ARGS(addr.local), SLICE_ARGS(domain)));
	return OK;
}

struct slice addr_without_tag(struct slice local)
{
	ptrdiff_t at = slice_find(local, '+');

	return at > 0 ? slice_sub(local, 0, (size_t)at) : local;
}

bool addr_split(struct slice spec, struct slice *ret_local, struct slice *ret_domain)
{
	ptrdiff_t at = slice_rfind(spec, '@');

	if (at <= 0 || (size_t)at + 1 == spec.n)
		return false;
	*ret_local = slice_sub(spec, 0, (size_t)at);
	*ret_domain = slice_sub(spec, (size_t)at + 1, spec.n);
	return true;
}
