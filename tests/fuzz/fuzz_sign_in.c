/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes to signing in from outside, by the first byte: a callback URL, an
 * OAuth state, the documents and the token of a provider, text for a page. A URL
 * that is taken names this computer; what is written reads back; no data is markup.
 */
#include "tests/fuzz/fuzz.h"

#include "apid/loopback_url.h"
#include "apid/oidc_doc.h"
#include "apid/oidc_state.h"
#include "apid/oidc_token.h"
#include "apid/page.h"
#include "apid/sign_in.h"

static void callback(struct slice s, struct arena *a)
{
	struct loopback_url u;

	(void)a;
	if (loopback_url_parse(s, &u, NULL))
		return;
	FUZZ_CHECK(u.port > 0 && slice_istarts(s, S("http://")));
	FUZZ_CHECK(slice_starts(slice_str(u.origin), S("http:")));
	FUZZ_CHECK(!strpbrk(u.origin, " ;,'\"@?#\\"));
	for (size_t i = 0; i < s.n; i++)
		FUZZ_CHECK(s.p[i] > ' ' && s.p[i] < 0x7f && !strchr("\"<>\\", s.p[i]));
}

static void state(struct slice s, struct arena *a)
{
	AUTO(buf_release) struct buf again = BUF_INIT(2 * OIDC_STATE_MAX);
	struct oidc_state first, second;

	if (oidc_state_read(s, a, &first))
		return;
	FUZZ_CHECK(first.nonce.n == OIDC_NONCE_LEN);
	if (oidc_state_write(&first, &again))
		return; /* escapes may make it longer than it may be */
	FUZZ_CHECK(oidc_state_read(buf_slice(&again), a, &second) == OK);
	FUZZ_CHECK(slice_eq(first.nonce, second.nonce));
	FUZZ_CHECK(first.callback.n == 0 || slice_eq(first.callback, second.callback));
}

static void token(struct slice s, struct arena *a)
{
	const struct oidc_expect expect = { S("https://i.example"), S("c1"), S("n1"), 1700000000 };
	struct slice subject;

	if (oidc_token_check(s, &expect, a, &subject, NULL) == OK)
		FUZZ_CHECK(subject.n > 0 && subject.n <= OIDC_SUBJECT_MAX);
}

static void documents(struct slice s, struct arena *a)
{
	struct oidc_discovery discovery;
	struct oidc_tokens tokens;
	struct oidc_claims claims;
	struct oidc_userinfo info;
	struct slice alg;

	if (oidc_doc_discovery(s, a, &discovery, NULL) == OK)
		FUZZ_CHECK(!memchr(discovery.issuer.p, '\0', discovery.issuer.n));
	if (oidc_doc_claims(s, a, &claims, NULL) == OK)
		FUZZ_CHECK(claims.aud_n > 0 && claims.exp_s >= 0 && claims.iat_s >= 0);
	(void)!oidc_doc_tokens(s, a, &tokens, NULL);
	(void)!oidc_doc_userinfo(s, a, &info, NULL);
	(void)!oidc_doc_alg(s, a, &alg, NULL);
}

static void text(struct slice s, struct arena *a)
{
	AUTO(buf_release) struct buf out = BUF_INIT(1024 * 1024);
	struct slice email, domain;

	page_text(&out, s);
	FUZZ_CHECK(!strpbrk(buf_cstr(&out), "<>\"'") && strlen(buf_cstr(&out)) == out.len);
	if (!sign_in_address(s, a, &email, &domain))
		return;
	for (size_t i = 0; i < email.n; i++)
		FUZZ_CHECK(email.p[i] > ' ' && email.p[i] < 0x7f);
	FUZZ_CHECK(slice_ends(email, domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(struct slice s, struct arena * a) = { callback, state, token,
									     documents, text };
	AUTO(arena_release) struct arena a = ARENA_INIT;

	if (size > 0)
		readers[data[0] % ARRAY_LEN(readers)](slice_of((const char *)data + 1, size - 1),
						      &a);
	return 0;
}
