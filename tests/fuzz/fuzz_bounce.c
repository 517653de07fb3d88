/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounces: whatever comes back, each recipient is reported on once at most, with a status
 * that is one and texts that can be stored; nothing reported has a reason.
 */
#include "tests/fuzz/fuzz.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/bounce.h"
#include "common/mail/bounce_status.h"
#include "common/mail/mime.h"

static void check_text(struct slice s, size_t max)
{
	FUZZ_CHECK(s.n <= max && utf8_valid(s) && !slice_has_ctl(s));
}

static void check_report(const struct bounce_report *r)
{
	static const char classes[] = {
		[BOUNCE_DELAYED] = '4',
		[BOUNCE_DELIVERED] = '2',
		[BOUNCE_FAILED] = '5',
	};

	FUZZ_CHECK(slice_eq(bounce_status_at(r->status), r->status) && r->status.n);
	FUZZ_CHECK(r->status.p[0] == classes[r->kind] ||
		   (r->kind == BOUNCE_FAILED && r->status.p[0] == '4'));
	FUZZ_CHECK(!bounce_suppresses(r->status) || r->kind == BOUNCE_FAILED);
	check_text(r->diagnostic, BOUNCE_DIAGNOSTIC_MAX);
	check_text(r->remote_mta, BOUNCE_REMOTE_MTA_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct slice to[] = {
		SLICE_INIT("alice@far.example"),   SLICE_INIT("alice+tag@far.example"),
		SLICE_INIT("unknown@far.example"), SLICE_INIT("later@far.example"),
		SLICE_INIT("plain@far.example"),   SLICE_INIT("unknown@xn--bcher-kva.example"),
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;
	bool seen[ARRAY_LEN(to)] = { false };
	static bool ready;
	struct bounce b;

	if (!ready)
		mime_init();
	ready = true;
	bounce_read(slice_of((const char *)data, size), to, ARRAY_LEN(to), &a, &b);
	FUZZ_CHECK((b.n == 0) == (b.reason != NULL) && (b.n == 0) == (b.format == BOUNCE_NONE));
	for (size_t i = 0; i < b.n; i++) {
		FUZZ_CHECK(b.v[i].recipient < ARRAY_LEN(to) && !seen[b.v[i].recipient]);
		seen[b.v[i].recipient] = true;
		check_report(&b.v[i]);
	}
	return 0;
}
