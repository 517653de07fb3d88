/* SPDX-License-Identifier: Apache-2.0 */
/* What the database adds to a mail when it is stored: conversation, author, delegation. */
#include "common/store/store_ingest.h"
#include "tests/sql/fresh.h"
#include "tests/unit/test.h"

#define DATABASE "t_ingest"

static const char sql_rows[] =
	"TRUNCATE users, domains, raw_messages, message_events CASCADE;"
	"INSERT INTO users (id, email) VALUES ('u', 'u@u.example'), ('v', 'v@v.example');"
	"INSERT INTO domains (id, domain, user_id, verified, verification_token) VALUES"
	" ('d', 'x.example', 'u', true, ''), ('e', 'y.example', 'v', true, '');"
	"INSERT INTO agents (email, address, domain, user_id, agent_mode) VALUES"
	" ('Bot@x.example', 'bot@x.example', 'x.example', 'u', 'local'),"
	" ('two@x.example', 'two@x.example', 'x.example', 'u', 'local'),"
	" ('bot@y.example', 'bot@y.example', 'y.example', 'v', 'local');"
	"INSERT INTO messages (id, user_id, agent_email, direction, status, email_message_id,"
	" conversation_id, created_at, expires_at) VALUES"
	" ('m1', 'u', 'Bot@x.example', 'outbound', 'sent', '<1@x>', 'old', now() - interval "
	"'2 h', now()),"
	" ('m2', 'u', 'Bot@x.example', 'inbound', 'sent', '<2@x>', 'new', now() - interval '1 h',"
	" now()),"
	" ('m3', 'u', 'Bot@x.example', 'outbound', 'rejected', '<3@x>', 'refused', now(), now()),"
	" ('m4', 'u', 'Bot@x.example', 'outbound', 'sent', '<4@x>', '', now(), now()),"
	" ('m5', 'v', 'bot@y.example', 'outbound', 'sent', '<1@x>', 'theirs', now(), now()),"
	" ('m6', 'u', 'two@x.example', 'outbound', 'sent', '<6@x>', 'of two', now(), now());"
	"INSERT INTO delegations (id, user_id, agent_email, human_email, state, link_hash,"
	" link_expires_at, confirmed_at) VALUES"
	" ('g1', 'v', 'bot@y.example', 'first@h.example', 'active', '1', now(), now() - interval "
	"'1 h'),"
	" ('g2', 'v', 'bot@y.example', 'last@h.example', 'active', '2', now(), now()),"
	" ('g3', 'v', 'bot@y.example', 'gone@h.example', 'revoked', '3', now(), now()),"
	" ('g4', 'v', 'bot@y.example', 'asked@h.example', 'pending', '4', now(), NULL);";

static int migrated(void **state)
{
	(void)state;
	db_close(fresh_migrated(DATABASE));
	return 0;
}

static int filled(void **state)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, NULL);

	(void)state;
	fresh_script(db, sql_rows);
	return 0;
}

struct stored {
	struct arena a;
	struct ingest_rcpt rcpt;
};

static void stored_release(struct stored *s)
{
	arena_release(&s->a);
}

static void store(struct ingest_mail *mail, const char *address, struct stored *ret)
{
	AUTO(db_closep) struct db *db = fresh_open(DATABASE, "e2a_deliverd");
	struct fail fail = { 0 };

	*ret = (struct stored){ .rcpt = { .message_id = S("msg_1"),
					  .recipient = slice_str(address),
					  .address = slice_str(address),
					  .base = slice_str(address) } };
	mail->raw_id = S("raw_1");
	mail->retention_ms = 1000000;
	mail->authentication = S("{}");
	if (!mail->entity_type.n)
		mail->entity_type = S("human");
	filled(NULL);
	assert_ok(store_ingest(db, mail, &ret->rcpt, 1, &ret->a, &fail), &fail);
	assert_true(ret->rcpt.stored);
}

static void a_mail_joins_the_conversation_of_what_it_answers(void **state)
{
	static const struct {
		struct slice parents[3];
		size_t n;
		const char *trusted, *want;
	} rows[] = {
		{ { SLICE_INIT("<1@x>") }, 1, "", "old" },
		{ { SLICE_INIT("<1@x>"), SLICE_INIT("<2@x>") }, 2, "", "new" },
		{ { SLICE_INIT("<3@x>"), SLICE_INIT("<2@x>") }, 2, "", "refused" },
		{ { SLICE_INIT("<4@x>") }, 1, "", "" },                    /* it is in none */
		{ { SLICE_INIT("<6@x>") }, 1, "", "" },                    /* another mailbox */
		{ { SLICE_INIT("<1@X>"), SLICE_INIT("1@x") }, 2, "", "" }, /* other ids */
		{ { SLICE_INIT("%") }, 1, "", "" },
		{ { SLICE_INIT("") }, 0, "", "" },
		{ { SLICE_INIT("<1@x>") }, 1, "sealed", "sealed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(stored_release) struct stored s;
		struct ingest_mail mail = {
			.parents = { rows[i].parents, rows[i].n },
			.conversation_id = slice_str(rows[i].trusted),
		};

		store(&mail, "bot@x.example", &s);
		assert_slice_row(s.rcpt.conversation_id, slice_str(rows[i].want), i);
	}
}

static void an_agent_of_ours_is_known_by_its_address_and_speaks_for_a_human(void **state)
{
	static const struct {
		const char *entity, *author, *want, *delegation;
	} rows[] = {
		{ "agent", "bot@y.example", "agent", "agent=bot@y.example;human=last@h.example" },
		{ "agent", "bot@x.example", "agent", "" },
		/* sealed by us, and no agent: the test mail */
		{ "agent", "noreply@x.example", "human", "" },
		{ "agent", "", "human", "" },
		/* not sealed */
		{ "human", "bot@y.example", "human", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(stored_release) struct stored s;
		struct ingest_mail mail = { .entity_type = slice_str(rows[i].entity),
					    .author = slice_str(rows[i].author) };

		store(&mail, "two@x.example", &s);
		assert_slice_row(s.rcpt.entity_type, slice_str(rows[i].want), i);
		assert_slice_row(s.rcpt.delegation, slice_str(rows[i].delegation), i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mail_joins_the_conversation_of_what_it_answers),
		cmocka_unit_test(an_agent_of_ours_is_known_by_its_address_and_speaks_for_a_human),
	};

	return cmocka_run_group_tests(tests, migrated, NULL);
}
