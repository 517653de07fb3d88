/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads: ids are tokens "<...>", never text; chains of any length cost the memory of the
 * longest one that is written. It must never hand out what would break a header line.
 */
#include "common/mail/thread.h"

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "common/mail/compose.h"

enum {
	TAIL_MAX = THREAD_REFERENCES_MAX,
	IN_REPLY_TO_MAX =
		10, /* of these a mail has one, and each takes one of References' places */
};

struct slice thread_reply_subject(struct slice subject, struct arena *a)
{
	AUTO(buf_release) struct buf b = BUF_INIT(COMPOSE_SUBJECT_MAX);
	struct slice base = utf8_line(a, utf8_clean(a, subject), COMPOSE_SUBJECT_MAX);

	if (base.n == 0)
		return S("Re: your message");
	if (!slice_istarts(base, S("re:")))
		buf_add_str(&b, "Re: ");
	buf_add_slice(&b, utf8_cut(base, b.max - b.len));
	return arena_slice(a, slice_trim(buf_slice(&b)));
}

/* --- ids --- */

static bool is_printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return true;
}

/* The first id in *value, which becomes what stands behind it. */
static bool next_id(struct slice *value, struct slice *ret)
{
	if (header_msgids(*value, ret, 1) == 0)
		return false;
	*value = slice_sub(*value, (size_t)(ret->p + ret->n - value->p), value->n);
	return true;
}

/* The last ids of a value that may have any number of them. */
struct tail {
	struct slice v[TAIL_MAX];
	size_t seen;
};

static void tail_add(struct tail *t, struct slice id)
{
	t->v[t->seen++ % TAIL_MAX] = id;
}

static size_t tail_n(const struct tail *t)
{
	return t->seen < TAIL_MAX ? t->seen : TAIL_MAX;
}

/* Counted from the last one: 0 .. tail_n() - 1. */
static struct slice tail_at(const struct tail *t, size_t i)
{
	return t->v[(t->seen - 1 - i) % TAIL_MAX];
}

struct slice thread_in_reply_to(struct slice message_id)
{
	struct slice id;

	return next_id(&message_id, &id) && compose_msgid_usable(id) ? id : S("");
}

/* What the parent names, apart from itself. */
struct chain {
	struct slice first;
	struct tail rest;
};

/* False when the value names nothing at all. */
static bool read_chain(struct slice value, struct slice parent, struct chain *ret)
{
	bool any = false;
	struct slice id;

	for (; next_id(&value, &id); any = true) {
		if (!compose_msgid_usable(id) || slice_eq(id, parent))
			continue;
		if (ret->first.n == 0)
			ret->first = id;
		else
			tail_add(&ret->rest, id);
	}
	return any;
}

/* How many of the last ids there is room for beside the first one and the parent's. */
static size_t room(const struct chain *c, struct slice parent)
{
	size_t bytes = c->first.n + 1 + parent.n, n = 0;

	while (n < tail_n(&c->rest) && n + 2 < THREAD_REFERENCES_MAX) {
		bytes += 1 + tail_at(&c->rest, n).n;
		if (bytes > THREAD_REFERENCES_BYTES_MAX)
			break;
		n++;
	}
	return n;
}

void thread_references(struct slice references, struct slice in_reply_to, struct slice message_id,
		       struct arena *a, struct thread_texts *ret)
{
	struct slice parent = thread_in_reply_to(message_id);
	struct chain c = { 0 };
	size_t n;

	*ret = (struct thread_texts){ 0 };
	if (parent.n == 0)
		return;
	if (!read_chain(references, parent, &c))
		read_chain(in_reply_to, parent, &c);
	n = room(&c, parent);
	ret->v = arena_calloc(a, n + 2, sizeof(*ret->v));
	if (c.first.n)
		ret->v[ret->n++] = c.first;
	while (n-- > 0)
		ret->v[ret->n++] = tail_at(&c.rest, n);
	ret->v[ret->n++] = parent;
}

enum err thread_id(struct slice text, struct arena *a, struct slice *ret)
{
	struct slice id = slice_trim(text), left, right;

	if (slice_has_ctl(text))
		return ERR_INPUT;
	if (slice_starts(id, S("<")) && slice_ends(id, S(">")))
		id = slice_sub(id, 1, id.n - 1);
	if (id.n + 2 > THREAD_ID_MAX || !is_printable(id) || slice_find(id, '<') >= 0 ||
	    slice_find(id, '>') >= 0 || !addr_split(id, &left, &right))
		return ERR_INPUT;
	*ret = slice_str(arena_printf(a, "<%.*s>", SLICE_ARGS(id)));
	return OK;
}

/* --- parents --- */

static void add_once(struct thread_texts *list, struct slice id)
{
	for (size_t i = 0; i < list->n; i++)
		if (slice_eq(list->v[i], id))
			return;
	if (list->n < THREAD_PARENTS_MAX)
		list->v[list->n++] = id;
}

void thread_parents(struct slice in_reply_to, struct slice references, struct arena *a,
		    struct thread_texts *ret)
{
	struct tail t = { 0 };
	struct slice id;

	*ret = (struct thread_texts){
		.v = arena_calloc(a, THREAD_PARENTS_MAX, sizeof(*ret->v)),
	};
	while (ret->n < IN_REPLY_TO_MAX && next_id(&in_reply_to, &id))
		add_once(ret, utf8_clean(a, id));
	while (next_id(&references, &id))
		tail_add(&t, id);
	for (size_t i = 0; i < tail_n(&t); i++)
		add_once(ret, utf8_clean(a, tail_at(&t, i)));
}

/* --- recipients --- */

static struct slice value_of(const struct header *h, const char *name)
{
	const struct header_field *f = header_first(h, slice_str(name));

	return f ? f->value : S("");
}

/* Appends the mailboxes that mail can be sent to. */
static void add_mailboxes(struct slice value, struct arena *a, struct thread_texts *ret)
{
	struct addr_list list;
	struct slice *v;

	addr_parse_list(value, a, &list);
	v = arena_calloc(a, ret->n + list.n, sizeof(*v));
	if (ret->n)
		memcpy(v, ret->v, ret->n * sizeof(*v));
	ret->v = v;
	for (size_t i = 0; i < list.n; i++)
		ret->n += addr_usable(list.v[i].spec, a, &v[ret->n]) == OK;
}

enum err thread_reply_recipients(const struct header *parent, bool reply_all, struct arena *a,
				 struct thread_recipients *ret, struct fail *fail)
{
	struct slice reply_to = value_of(parent, "Reply-To");
	struct thread_recipients r = { 0 };

	if (reply_all && parent->n == 0)
		return fail_set(fail, ERR_INPUT, "no header field was found");
	if (reply_all && parent->limited)
		return fail_set(fail, ERR_INPUT, "the header section is too large");
	add_mailboxes(slice_trim(reply_to).n ? reply_to : value_of(parent, "From"), a, &r.to);
	if (reply_all) {
		add_mailboxes(value_of(parent, "To"), a, &r.cc);
		add_mailboxes(value_of(parent, "Cc"), a, &r.cc);
	}
	*ret = r;
	return OK;
}
