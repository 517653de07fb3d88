/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP connections: which are cut off and when, and that none stays counted. */
#include "apid/conns.h"
#include "common/base/clock.h"
#include "tests/unit/test.h"

#include <sys/socket.h>
#include <unistd.h>

enum { READING_MS = 5000, WRITING_MS = 9000, TELLING_MS = 3000 };

static const struct conns_limits limits = { READING_MS, WRITING_MS, TELLING_MS };

DEFINE_FREEP(struct peers, peers_free)

static struct client_peer peer_of(const char *text, bool trusted)
{
	struct client_peer p = { .trusted = trusted };

	if (*text)
		assert_int_equal(netaddr_parse(slice_str(text), &p.ip), OK);
	return p;
}

/* One connection, and how to see whether it was shut down. */
struct one {
	struct peers *peers;
	struct conns conns;
	struct conn *conn;
	int ours, theirs;
	int64_t start_ms;
};

static void begin(struct one *o)
{
	struct client_peer peer = peer_of("192.0.2.1", false);
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	*o = (struct one){ .peers = peers_new(1), .ours = pair[0], .theirs = pair[1] };
	conns_init(&o->conns, o->peers, 1, &limits);
	assert_true(peers_enter(o->peers, &peer));
	assert_true(conns_announce(&o->conns, o->ours, &peer));
	assert_false(conns_announce(&o->conns, o->theirs, &peer));
	o->conn = conns_begin(&o->conns, o->ours);
	o->start_ms = clock_mono_ms();
}

static void end(struct one *o)
{
	conns_remove(&o->conns, o->conn);
	conns_release(&o->conns);
	peers_free(o->peers);
	close(o->ours);
	close(o->theirs);
}

/* Sweeps so long after the beginning. */
static bool cut_after(struct one *o, int64_t ms)
{
	char byte;

	conns_sweep(&o->conns, o->start_ms + ms);
	return recv(o->theirs, &byte, 1, 0) == 0;
}

static void each_state_has_its_time(void **state)
{
	static const struct {
		enum conn_state state;
		int64_t ms;
		bool cut;
	} rows[] = {
		{ CONN_READING, READING_MS - 100, false },
		{ CONN_READING, READING_MS + 100, true },
		{ CONN_RUNNING, 100 * READING_MS, false },
		{ CONN_WRITING, WRITING_MS - 100, false },
		{ CONN_WRITING, WRITING_MS + 100, true },
		{ CONN_TELLING, TELLING_MS - 100, false },
		{ CONN_TELLING, TELLING_MS + 100, true },
		{ CONN_WAITING, 100 * READING_MS, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct one o;

		begin(&o);
		conns_set(&o.conns, o.conn, rows[i].state);
		assert_row(i, cut_after(&o, rows[i].ms) == rows[i].cut);
		end(&o);
	}
}

static void who_sends_no_more_is_let_go_once_nothing_can_come(void **state)
{
	struct one o;

	(void)state;
	begin(&o);
	assert_int_equal(shutdown(o.theirs, SHUT_WR), 0);
	assert_false(cut_after(&o, 500));
	assert_false(cut_after(&o, 1400));
	assert_true(cut_after(&o, 1600));
	end(&o);
}

static void who_sends_no_more_still_gets_its_answer(void **state)
{
	struct one o;

	(void)state;
	begin(&o);
	assert_int_equal(shutdown(o.theirs, SHUT_WR), 0);
	conns_set(&o.conns, o.conn, CONN_RUNNING);
	assert_false(cut_after(&o, 100));
	assert_false(cut_after(&o, 3000));
	conns_set(&o.conns, o.conn, CONN_WRITING);
	assert_false(cut_after(&o, 4000));
	conns_set(&o.conns, o.conn, CONN_READING);
	assert_false(cut_after(&o, 500)); /* it may have sent another request before the end */
	assert_true(cut_after(&o, 4500));
	end(&o);
}

/* For one more connection, which is gone again at once. */
static bool has_room(struct one *o)
{
	struct client_peer peer = peer_of("192.0.2.2", false);
	bool room;

	assert_true(peers_enter(o->peers, &peer));
	room = conns_announce(&o->conns, o->theirs, &peer);
	if (room)
		conns_remove(&o->conns, conns_begin(&o->conns, o->theirs));
	else
		peers_leave(o->peers, &peer);
	return room;
}

static void who_waits_for_mail_takes_no_place_of_others(void **state)
{
	static const struct {
		enum conn_state state;
		bool counts;
	} rows[] = {
		{ CONN_RUNNING, true },  { CONN_WAITING, false }, { CONN_RUNNING, false },
		{ CONN_TELLING, false }, { CONN_RUNNING, false }, { CONN_WAITING, false },
		{ CONN_WRITING, true },  { CONN_READING, true },  { CONN_TELLING, false },
	};
	struct one o;

	(void)state;
	begin(&o);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		conns_set(&o.conns, o.conn, rows[i].state);
		assert_row(i, has_room(&o) != rows[i].counts);
	}
	end(&o);
}

static void a_connection_that_never_began_is_forgotten(void **state)
{
	AUTO(peers_freep) struct peers *p = peers_new(1);
	struct client_peer a = peer_of("192.0.2.1", false), b = peer_of("192.0.2.2", false);
	struct conns conns;
	struct conn *conn;

	(void)state;
	conns_init(&conns, p, 2, &limits);
	assert_true(peers_enter(p, &a));
	assert_true(conns_announce(&conns, 5, &a)); /* and closed, without a word */
	assert_true(peers_enter(p, &b));
	assert_true(conns_announce(&conns, 5, &b));
	assert_true(peers_enter(p, &a));
	assert_true(conns_announce(&conns, 6, &a));
	assert_false(conns_announce(&conns, 7, &a));
	conn = conns_begin(&conns, 5);
	assert_memory_equal(conn->peer.ip.b, b.ip.b, 4);
	assert_false(peers_enter(p, &b));
	conns_remove(&conns, conn);
	assert_true(peers_enter(p, &b));
	peers_leave(p, &b);
	conns_release(&conns);
	assert_true(peers_enter(p, &a));
	peers_leave(p, &a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_has_its_time),
		cmocka_unit_test(who_sends_no_more_is_let_go_once_nothing_can_come),
		cmocka_unit_test(who_sends_no_more_still_gets_its_answer),
		cmocka_unit_test(who_waits_for_mail_takes_no_place_of_others),
		cmocka_unit_test(a_connection_that_never_began_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
