/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of tickets, and messages that want one. No value opens that we did not
 * make; a ticket that was made opens, and fits what it was made for.
 */
#include "tests/fuzz/fuzz.h"

#include "common/base/mem.h"
#include "common/mail/header.h"
#include "common/mail/mail_hash.h"
#include "common/mail/ticket.h"

#define KEY S("0123456789abcdef0123456789abcdef")
#define OTHER_KEY S("another key of thirty-two bytes!")

/* Hashes as the milter does; the fields stand behind the ticket. */
static void look(struct slice message, const struct ticket_request *r, struct ticket_mail *ret,
		 struct arena *a, struct slice *ret_value)
{
	struct mail_hash *hash = mail_hash_new();
	struct header h;

	header_parse(message, a, &h);
	FUZZ_CHECK(h.n > 0 && slice_eq(h.v[0].name, S(TICKET_HEADER)));
	for (size_t i = 1; i < h.n; i++)
		mail_hash_field(hash, h.v[i].name, h.v[i].value);
	mail_hash_body(hash, slice_sub(message, h.body, message.n));
	mail_hash_finish(hash, ret->header, ret->body);
	FUZZ_CHECK(ticket_envelope(r->sender, r->recipients, r->recipients_n, ret) == OK);
	*ret_value = h.v[0].value;
}

/* The input is a message, and everything else that a request takes. */
static void check_round_trip(struct slice input)
{
	AUTO(buf_release) struct buf whole = BUF_INIT(1 << 20);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	const struct slice recipients[] = { slice_sub(input, 0, 10), slice_sub(input, 5, 20) };
	struct ticket_request r = { .job = S("j"),
				    .attempt = 1,
				    .now_s = 1000,
				    .lifetime_s = 60,
				    .sender = input,
				    .recipients = recipients,
				    .recipients_n = 2 };
	struct ticket_mail mail;
	struct slice value;
	struct ticket t;

	if (ticket_make(&r, input, KEY, &whole) != OK)
		return;
	buf_add_slice(&whole, input);
	look(buf_slice(&whole), &r, &mail, &a, &value);
	FUZZ_CHECK(ticket_open(value, OTHER_KEY, &a, &t) == ERR_CRYPTO);
	FUZZ_CHECK(ticket_open(value, KEY, &a, &t) == OK);
	FUZZ_CHECK(ticket_check(&t, &mail, 1000) == NULL);
	mail.body[31] ^= 1;
	FUZZ_CHECK(ticket_check(&t, &mail, 1000) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice input = slice_of((const char *)data, size);
	struct ticket t;

	FUZZ_CHECK(ticket_open(input, KEY, &a, &t) != OK);
	check_round_trip(input);
	return 0;
}
