/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of domains and what is found of their records, as the daemons' roles see it. */
#include "common/base/ids.h"
#include "common/store/store_dkim.h"
#include "common/store/store_domain_record.h"
#include "tests/sql/fresh.h"

#define DATABASE "t_domains"
#define ROTATING "dom_1"

static const char sql_rows[] =
	"TRUNCATE users, domains CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@example.com'), ('v', 'v@example.com');"
	"INSERT INTO domains (id, domain, user_id, verified, verification_token, created_at) VALUES"
	" ('dom_1', 'one.example', 'u', true, 't1', now()),"
	" ('dom_2', 'one.example', 'v', false, 't2', now() - interval '1 h'),"
	" ('dom_3', 'two.example', 'u', false, 't3', now() - interval '2 h'),"
	" ('dom_4', 'agents.example', NULL, true, '', now());";

static struct keys keys;
static struct store_dkim_pair pair = { .private_key = BUF_INIT(64), .public_key = BUF_INIT(64) };
static struct store_dkim_pair other = { .private_key = BUF_INIT(64), .public_key = BUF_INIT(64) };

static int migrated(void **state)
{
	(void)state;
	db_close(fresh_migrated(DATABASE));
	keys_derive(S("0123456789abcdef0123456789abcdef"), &keys);
	buf_add_str(&pair.private_key, "private");
	buf_add_str(&pair.public_key, "PUBLIC");
	buf_add_str(&other.private_key, "other private");
	buf_add_str(&other.public_key, "OTHER");
	return 0;
}

static int filled(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	(void)state;
	fresh_script(db, sql_rows);
	return 0;
}

static void change(const char *sql)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	fresh_script(db, sql);
}

static void assert_same(struct slice got, const char *want)
{
	if (!slice_eq(got, slice_str(want)))
		fail_msg("got '%.*s', want '%s'", SLICE_ARGS(got), want);
}

static void add_key(struct db *db, const char *domain_id, const struct store_dkim_pair *p,
		    bool want)
{
	struct fail fail = { 0 };
	bool made;

	assert_ok(store_dkim_add(db, &keys, slice_str(domain_id), p, &made, &fail), &fail);
	assert_int_equal(made, want);
}

static struct store_domain domain_get(struct db *db, const char *id, struct arena *a)
{
	struct store_domain d;
	struct fail fail = { 0 };

	assert_ok(store_domain_get(db, slice_str(id), a, &d, &fail), &fail);
	return d;
}

/* Saves one status for every record that the domain has. */
static bool save_all(struct db *db, const char *id, enum dns_status status)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_domain d = domain_get(db, id, &a);
	struct fail fail = { 0 };
	struct store_domain_saved saved;

	for (size_t i = 0; i < DNS_RECORD_COUNT; i++) {
		d.records[i].status = status;
		if (i < DNS_RECORD_DKIM || d.records[i].selector.n)
			d.records[i].host = S("@");
	}
	assert_ok(store_domain_record_save(db, d.id, d.records, 0, &a, &saved, &fail), &fail);
	return saved.promoted;
}

static enum err open_key(const char *domain, struct store_dkim_signer *ret, struct arena *a,
			 struct buf *private_key)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };

	return store_dkim_signer(db, &keys, slice_str(domain), a, ret, private_key, &fail);
}

static void only_the_holders_key_signs(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT(64);
	struct store_dkim_signer signer;

	(void)state;
	assert_int_equal(open_key("one.example", &signer, &a, &text), ERR_NOT_FOUND);
	add_key(db, "dom_2", &other, true);
	assert_int_equal(open_key("one.example", &signer, &a, &text), ERR_NOT_FOUND);
	add_key(db, "dom_1", &pair, true);
	assert_int_equal(open_key("one.example", &signer, &a, &text), OK);
	assert_same(buf_slice(&text), "private");
	assert_same(signer.selector, "e2a1");
	assert_false(signer.published);
	add_key(db, "dom_3", &pair, true);
	assert_int_equal(open_key("two.example", &signer, &a, &text), ERR_NOT_FOUND);
}

static void a_domain_gets_one_key(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	add_key(db, "dom_4", &pair, true);
	add_key(db, "dom_4", &other, false);
	assert_same(domain_get(db, "dom_4", &a).records[DNS_RECORD_DKIM].key, "PUBLIC");
}

static void a_sealed_key_opens_in_its_place_only(void **state)
{
	static const char *const moves[] = {
		("UPDATE dkim_keys SET sealed = (SELECT sealed FROM dkim_keys k "
		 "WHERE k.domain_id = 'dom_4') WHERE domain_id = 'dom_1'"),
		"UPDATE dkim_keys SET selector = 'e2a2' WHERE domain_id = 'dom_1'",
		"UPDATE dkim_keys SET sealed = sealed || 'x' WHERE domain_id = 'dom_1'",
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct store_dkim_signer signer;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf text = BUF_INIT(64);

		filled(NULL);
		add_key(db, "dom_1", &pair, true);
		add_key(db, "dom_4", &other, true);
		change(moves[i]);
		assert_int_equal(open_key("one.example", &signer, &a, &text), ERR_CRYPTO);
		assert_int_equal(open_key("agents.example", &signer, &a, &text), OK);
	}
}

/* ---- rotation ---- */

static enum err rotate(struct db *db, const char *active)
{
	struct fail fail = { 0 };

	return store_dkim_rotate(db, &keys, S(ROTATING), slice_str(active), &other, &fail);
}

static void assert_keys(const char *want)
{
	const struct db_stmt stmt = {
		"t_keys",
		"SELECT coalesce(string_agg(selector || ':' || state || ':' || "
		"public_key, ' ' ORDER BY selector), '') FROM dkim_keys "
		"WHERE domain_id = '" ROTATING "'",
		false
	};
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	struct fail fail = { 0 };

	assert_ok(db_query(db, &stmt, NULL, &r, &fail), &fail);
	assert_same(db_slice(r, 0, 0), want);
}

static void a_next_key_signs_when_it_is_seen_and_the_old_one_stays_a_week(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(db_closep) struct db *deliverd = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };
	size_t n;

	(void)state;
	add_key(db, ROTATING, &pair, true);
	assert_int_equal(rotate(db, "e2a1"), OK);
	assert_int_equal(rotate(db, "e2a1"), ERR_CONFLICT);
	assert_false(save_all(db, ROTATING, DNS_MISSING));
	assert_false(save_all(db, ROTATING, DNS_DIFFERENT));
	assert_false(save_all(db, ROTATING, DNS_UNKNOWN));
	assert_keys("e2a1:active:PUBLIC e2a2:next:OTHER");
	assert_true(save_all(db, ROTATING, DNS_PUBLISHED));
	assert_keys("e2a1:retired:PUBLIC e2a2:active:OTHER");
	assert_false(save_all(db, ROTATING, DNS_PUBLISHED));

	assert_int_equal(rotate(db, "e2a2"), ERR_CONFLICT);
	assert_int_equal(rotate(db, "e2a1"), ERR_CONFLICT);
	change("UPDATE dkim_keys SET retired_at = now() - interval '13 days 23 h' "
	       "WHERE state = 'retired'");
	assert_ok(store_dkim_expire(deliverd, 10, &n, &fail), &fail);
	assert_int_equal(n, 0);
	change("UPDATE dkim_keys SET retired_at = now() - interval '14 days 1 s' "
	       "WHERE state = 'retired'");
	assert_ok(store_dkim_expire(deliverd, 10, &n, &fail), &fail);
	assert_int_equal(n, 1);
	assert_keys("e2a2:active:OTHER");
	assert_int_equal(rotate(db, "e2a1"), ERR_CONFLICT); /* it is not the active one any more */
	assert_int_equal(rotate(db, "e2a2"), OK);
	assert_keys("e2a1:next:OTHER e2a2:active:OTHER");
}

/* ---- what was found ---- */

static void dns_that_gives_no_answer_makes_no_key_unpublished(void **state)
{
	static const struct {
		enum dns_status found;
		bool published;
	} rows[] = { { DNS_UNKNOWN, false },   { DNS_PUBLISHED, true }, { DNS_UNKNOWN, true },
		     { DNS_DIFFERENT, false }, { DNS_UNKNOWN, false },  { DNS_PUBLISHED, true },
		     { DNS_MISSING, false } };
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");

	(void)state;
	add_key(db, "dom_1", &pair, true);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf text = BUF_INIT(64);
		struct store_dkim_signer signer;

		save_all(db, "dom_1", rows[i].found);
		assert_int_equal(open_key("one.example", &signer, &a, &text), OK);
		assert_int_equal(signer.published, rows[i].published);
		assert_int_equal(domain_get(db, "dom_1", &a).records[DNS_RECORD_DKIM].status,
				 rows[i].found);
	}
}

/* What was seen belongs to the key that was looked for. */
static void a_key_that_took_the_selector_meanwhile_is_not_taken_for_seen(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_domain d;
	struct store_domain_saved saved;
	struct fail fail = { 0 };

	(void)state;
	add_key(db, "dom_1", &pair, true);
	d = domain_get(db, "dom_1", &a);
	d.records[DNS_RECORD_DKIM].host = S("@");
	d.records[DNS_RECORD_DKIM].status = DNS_PUBLISHED;
	change("UPDATE dkim_keys SET public_key = 'NEW' WHERE domain_id = 'dom_1'");
	assert_ok(store_domain_record_save(db, d.id, d.records, 0, &a, &saved, &fail), &fail);
	d = domain_get(db, "dom_1", &a);
	assert_int_equal(d.records[DNS_RECORD_DKIM].status, DNS_UNKNOWN);
	assert_int_equal(d.records[DNS_RECORD_DKIM].checked_us, 0);
}

/* Saves what a look has found of one record, and tells what it was and what it is. */
static struct store_domain_saved save_one(struct db *db, enum dns_record_kind kind,
					  enum dns_status found, int64_t look_ms, struct arena *a)
{
	struct store_domain d = domain_get(db, "dom_1", a);
	struct store_domain_saved saved;
	struct fail fail = { 0 };

	d.records[kind].host = S("@");
	d.records[kind].status = found;
	assert_ok(store_domain_record_save(db, d.id, d.records, look_ms, a, &saved, &fail), &fail);
	return saved;
}

static void what_a_later_look_has_found_stays(void **state)
{
	enum { LONG_MS = 5000 };
	static const enum dns_record_kind kinds[] = { DNS_RECORD_MX, DNS_RECORD_DKIM };
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	add_key(db, "dom_1", &pair, true);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		enum dns_record_kind k = kinds[i];
		struct store_domain_saved s = save_one(db, k, DNS_PUBLISHED, LONG_MS, &a);

		assert_int_equal(s.before.records[k].status, DNS_UNKNOWN);
		assert_int_equal(s.after.records[k].status, DNS_PUBLISHED);
		s = save_one(db, k, DNS_DIFFERENT, 0, &a);
		assert_int_equal(s.before.records[k].status, DNS_PUBLISHED);
		assert_int_equal(s.after.records[k].status, DNS_DIFFERENT);
		s = save_one(db, k, DNS_MISSING, LONG_MS, &a);
		assert_int_equal(s.before.records[k].status, DNS_DIFFERENT);
		assert_int_equal(s.after.records[k].status, DNS_DIFFERENT);
	}
}

static void a_list_has_each_domain_once_with_all_of_it(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_apid");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_domain *v;
	struct fail fail = { 0 };
	size_t n;

	(void)state;
	add_key(db, "dom_1", &pair, true);
	assert_int_equal(rotate(db, "e2a1"), OK);
	add_key(db, "dom_2", &other, true);
	save_all(db, "dom_1", DNS_DIFFERENT);
	assert_ok(store_domain_list(db, S("u"), &a, &v, &n, &fail), &fail);
	assert_int_equal(n, 2);
	assert_same(v[0].id, "dom_1");
	assert_same(v[0].records[DNS_RECORD_DKIM].selector, "e2a1");
	assert_same(v[0].records[DNS_RECORD_DKIM].key, "PUBLIC");
	assert_same(v[0].records[DNS_RECORD_DKIM_NEXT].selector, "e2a2");
	for (size_t i = 0; i < DNS_RECORD_DKIM_RETIRED; i++) {
		assert_int_equal(v[0].records[i].status, DNS_DIFFERENT);
		assert_true(v[0].records[i].checked_us > 0);
	}
	assert_same(v[1].id, "dom_3");
	for (size_t i = 0; i < DNS_RECORD_COUNT; i++) {
		assert_int_equal(v[1].records[i].status, DNS_UNKNOWN);
		assert_int_equal(v[1].records[i].selector.n + (size_t)v[1].records[i].checked_us,
				 0);
	}
}

static void the_operator_sees_every_claim_and_the_holder_first(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct store_domain *v;
	struct fail fail = { 0 };
	size_t n;

	(void)state;
	assert_ok(store_domain_named(db, S("one.example"), &a, &v, &n, &fail), &fail);
	assert_int_equal(n, 2);
	assert_same(v[0].owner, "u@example.com");
	assert_same(v[1].owner, "v@example.com");
	assert_ok(store_domain_named(db, S("agents.example"), &a, &v, &n, &fail), &fail);
	assert_int_equal(n, 1);
	assert_int_equal(v[0].owner.n, 0);
	assert_ok(store_domain_named(db, S("no.example"), &a, &v, &n, &fail), &fail);
	assert_int_equal(n, 0);
}

static void what_is_saved_for_a_domain_that_is_gone_is_nothing(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct dns_record records[DNS_RECORD_COUNT] = { [DNS_RECORD_MX] = { .host = S("@") } };
	struct store_domain_saved saved;
	struct fail fail = { 0 };

	(void)state;
	assert_int_equal(store_domain_record_save(db, S("dom_0"), records, 0, &a, &saved, &fail),
			 ERR_NOT_FOUND);
}

/* ---- whose turn it is ---- */

static const char *due(struct db *db, int64_t age_ms, struct arena *a)
{
	struct store_domain d;
	struct fail fail = { 0 };
	enum err e = store_domain_record_due(db, age_ms, a, &d, &fail);

	if (e == ERR_NOT_FOUND)
		return "";
	assert_ok(e, &fail);
	return arena_dup(a, d.id);
}

static void each_verified_domain_is_due_once_in_its_time(void **state)
{
	enum { HOUR_MS = 3600 * 1000 };
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(db_closep) struct db *second = fresh_open(DATABASE, "e2a_deliverd");
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	change("UPDATE domains SET looked_at = now() - interval '61 min' WHERE id = 'dom_1'");
	assert_string_equal(due(db, HOUR_MS, &a), "dom_4"); /* never looked at */
	assert_string_equal(due(second, HOUR_MS, &a), "dom_1");
	assert_string_equal(due(db, HOUR_MS, &a), "");
	change("UPDATE domains SET looked_at = now() - interval '61 min' WHERE id = 'dom_1'");
	save_all(db, "dom_1", DNS_MISSING); /* somebody looked */
	assert_string_equal(due(db, HOUR_MS, &a), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(only_the_holders_key_signs, filled),
		cmocka_unit_test_setup(a_domain_gets_one_key, filled),
		cmocka_unit_test_setup(a_sealed_key_opens_in_its_place_only, filled),
		cmocka_unit_test_setup(
			a_next_key_signs_when_it_is_seen_and_the_old_one_stays_a_week, filled),
		cmocka_unit_test_setup(dns_that_gives_no_answer_makes_no_key_unpublished, filled),
		cmocka_unit_test_setup(a_key_that_took_the_selector_meanwhile_is_not_taken_for_seen,
				       filled),
		cmocka_unit_test_setup(what_a_later_look_has_found_stays, filled),
		cmocka_unit_test_setup(a_list_has_each_domain_once_with_all_of_it, filled),
		cmocka_unit_test_setup(the_operator_sees_every_claim_and_the_holder_first, filled),
		cmocka_unit_test_setup(what_is_saved_for_a_domain_that_is_gone_is_nothing, filled),
		cmocka_unit_test_setup(each_verified_domain_is_due_once_in_its_time, filled),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
