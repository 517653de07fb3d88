/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies to any mail: whatever its header holds, what is taken over are ids and
 * addresses that can stand in a header, within the limits.
 */
#include "tests/fuzz/fuzz.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "common/mail/compose.h"
#include "common/mail/thread.h"

static struct slice value_of(const struct header *h, const char *name)
{
	const struct header_field *f = header_first(h, slice_str(name));

	return f ? f->value : S("");
}

static void check_id(struct slice id)
{
	struct slice again;

	FUZZ_CHECK(id.n <= THREAD_ID_MAX && header_msgids(id, &again, 1) == 1);
	FUZZ_CHECK(slice_eq(id, again) && !slice_has_ctl(id) && slice_find(id, ' ') < 0);
}

static void check_references(const struct header *h, struct arena *a)
{
	struct slice parent = thread_in_reply_to(value_of(h, "Message-ID"));
	struct thread_texts got;
	size_t bytes = 0;

	thread_references(value_of(h, "References"), value_of(h, "In-Reply-To"),
			  value_of(h, "Message-ID"), a, &got);
	FUZZ_CHECK((got.n == 0) == (parent.n == 0) && got.n <= THREAD_REFERENCES_MAX);
	for (size_t i = 0; i < got.n; i++) {
		check_id(got.v[i]);
		FUZZ_CHECK(slice_eq(got.v[i], parent) == (i + 1 == got.n));
		bytes += got.v[i].n + 1;
	}
	FUZZ_CHECK(bytes <= THREAD_REFERENCES_BYTES_MAX + 1);
}

static void check_parents(const struct header *h, struct arena *a)
{
	struct thread_texts got;

	thread_parents(value_of(h, "In-Reply-To"), value_of(h, "References"), a, &got);
	FUZZ_CHECK(got.n <= THREAD_PARENTS_MAX);
	for (size_t i = 0; i < got.n; i++)
		FUZZ_CHECK(utf8_valid(got.v[i]) && slice_find(got.v[i], '\0') < 0);
}

static void check_mailboxes(const struct thread_texts *t, struct arena *a)
{
	struct slice usable;

	for (size_t i = 0; i < t->n; i++)
		FUZZ_CHECK(addr_usable(t->v[i], a, &usable) == OK && slice_eq(usable, t->v[i]));
}

static void check_recipients(const struct header *h, struct arena *a)
{
	struct thread_recipients one, all;

	FUZZ_CHECK(thread_reply_recipients(h, false, a, &one, NULL) == OK && one.cc.n == 0);
	check_mailboxes(&one.to, a);
	if (thread_reply_recipients(h, true, a, &all, NULL) != OK)
		return;
	FUZZ_CHECK(all.to.n == one.to.n);
	check_mailboxes(&all.cc, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice text = slice_of((const char *)data, size), subject, id;
	struct header h;

	header_parse(text, &a, &h);
	check_references(&h, &a);
	check_parents(&h, &a);
	check_recipients(&h, &a);
	subject = thread_reply_subject(text, &a);
	FUZZ_CHECK(subject.n <= COMPOSE_SUBJECT_MAX && utf8_valid(subject));
	FUZZ_CHECK(!slice_has_ctl(subject) && slice_istarts(subject, S("re:")));
	FUZZ_CHECK(slice_eq(thread_reply_subject(subject, &a), subject));
	if (thread_id(text, &a, &id) == OK)
		check_id(id);
	return 0;
}
