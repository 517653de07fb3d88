/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the tables beside the old ones, lets postmap(1) index them, and puts
 * both in place by rename. A failure must leave the old tables as they are; it
 * is logged and tried again, never fatal.
 */
#include "deliverd/maps.h"

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/store/store_map.h"
#include "deliverd/hold_notice.h"

#include <errno.h>
#include <unistd.h>

#define POSTMAP "/usr/sbin/postmap"
#define NEW ".tmp"

enum { TABLE_MAX = 64 * 1024 * 1024, PATH_MAX_BYTES = 4096, DB_WAIT_MS = 5000, RETRY_MS = 10000 };

static const char *const names[MAPS_COUNT] = { "domains", "transport", "aliases" };

struct maps {
	struct task task;
	struct loop *loop;
	const struct settings *settings;
	const struct sender *sender;
	struct db_pool *pool;
	struct loop_timer *timer;
	struct buf now[MAPS_COUNT];  /* what is in place */
	struct buf next[MAPS_COUNT]; /* what the database asks for */
	bool written;                /* `now` is what lies in the folder */
	bool busy, again, stopped;
	bool changed; /* of the task: `next` was written beside `now` */
	enum err code;
	struct fail fail;
};

/* ---- content ---- */

static void add_alias(const struct settings *s, const char *local, struct slice d, struct buf *ret)
{
	buf_addf(ret, "%s@%.*s\t%s\n", local, SLICE_ARGS(d), s->postmaster);
}

static void add_domain(const struct settings *s, struct slice d, struct buf ret[MAPS_COUNT])
{
	static const char *const roles[] = { "postmaster", "abuse" };

	buf_addf(&ret[MAPS_DOMAINS], "%.*s\tOK\n", SLICE_ARGS(d));
	buf_addf(&ret[MAPS_TRANSPORT], "%.*s\t%s:%s\n", SLICE_ARGS(d), s->milter_transport,
		 s->lmtp_listen);
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		add_alias(s, roles[i], d, &ret[MAPS_ALIASES]);
}

/* Names go into a file that Postfix reads line by line. */
static bool harmless(struct slice d)
{
	for (size_t i = 0; i < d.n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", d.p[i]) || !d.p[i])
			return false;
	return d.n > 0 && *d.p != '.';
}

void maps_write(const struct settings *s, struct slice relay, const struct slice *domains, size_t n,
		struct buf ret[MAPS_COUNT])
{
	for (size_t k = 0; k < MAPS_COUNT; k++) {
		buf_reset(&ret[k]);
		buf_add_str(&ret[k], "# Written by e2a-deliverd. Changes here are lost.\n");
	}
	for (size_t i = 0; i < n; i++) {
		if (!harmless(domains[i]))
			continue;
		add_domain(s, domains[i], ret);
		if (slice_eq(domains[i], relay))
			add_alias(s, HOLD_NOTICE_LOCAL, domains[i], &ret[MAPS_ALIASES]);
	}
}

const char *maps_suffix(const char *type)
{
	static const char *const suffixes[][2] = {
		{ "hash", ".db" }, { "btree", ".db" }, { "lmdb", ".lmdb" }, { "cdb", ".cdb" }
	};

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		if (slice_eq(slice_str(type), slice_str(suffixes[i][0])))
			return suffixes[i][1];
	return NULL;
}

/* ---- files ---- */

/* <folder>/<name><more> */
static void path_of(const struct maps *m, size_t k, const char *more, struct buf *ret)
{
	buf_init(ret, PATH_MAX_BYTES);
	buf_addf(ret, "%s/%s%s", m->settings->postfix_map_dir, names[k], more);
}

static enum err write_beside(struct maps *m)
{
	for (size_t k = 0; k < MAPS_COUNT; k++) {
		AUTO(buf_release) struct buf path = BUF_INIT(0);

		if (buf_failed(&m->next[k]))
			return fail_set(&m->fail, ERR_TOO_BIG, "table %s is too big", names[k]);
		path_of(m, k, NEW, &path);
		if (file_replace(buf_cstr(&path), buf_slice(&m->next[k]), 0644, &m->fail))
			return m->fail.code;
	}
	return OK;
}

static enum err put_in_place(struct maps *m, size_t k, const char *suffix)
{
	AUTO(buf_release) struct buf from = BUF_INIT(0);
	AUTO(buf_release) struct buf to = BUF_INIT(0);
	AUTO(buf_release) struct buf more = BUF_INIT(64);

	buf_addf(&more, NEW "%s", suffix);
	path_of(m, k, buf_cstr(&more), &from);
	path_of(m, k, suffix, &to);
	if (rename(buf_cstr(&from), buf_cstr(&to)))
		return fail_set(&m->fail, ERR_IO, "%.150s: %s", buf_cstr(&to), strerror(errno));
	return OK;
}

static bool same(const struct maps *m)
{
	for (size_t k = 0; k < MAPS_COUNT; k++)
		if (!slice_eq(buf_slice(&m->now[k]), buf_slice(&m->next[k])))
			return false;
	return m->written;
}

/* ---- one look ---- */

static void look(struct task *t)
{
	struct maps *m = CONTAINER(t, struct maps, task);
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice *domains;
	struct db *db;
	size_t n;

	m->changed = false;
	m->code = db_pool_get(m->pool, DB_WAIT_MS, &db, &m->fail);
	if (m->code)
		return;
	m->code = store_map_domains(db, &a, &domains, &n, &m->fail);
	db_pool_put(m->pool, db);
	if (m->code)
		return;
	maps_write(m->settings, m->sender->relay_domain, domains, n, m->next);
	m->changed = !same(m);
	if (m->changed)
		m->code = write_beside(m);
}

static void look_end(struct maps *m)
{
	m->busy = false;
	if (m->code)
		log_warn("postfix_tables_not_written", LF_STR("cause", m->fail.what));
	if (!m->stopped)
		loop_timer_start(m->timer, m->again  ? 0
					   : m->code ? RETRY_MS
						     : m->settings->postfix_map_interval_ms);
	m->again = false;
}

/*
 * The index first: Postfix warns of one that is older than its text. The
 * domains last: whenever we are cut off, Postfix must not know a domain as
 * ours without its transport, for it would send the mail out or back to itself.
 */
static void indexed(int status, void *arg)
{
	struct maps *m = arg;
	const char *suffix = maps_suffix(m->settings->postfix_map_type);

	if (status)
		m->code = fail_set(&m->fail, ERR_IO, POSTMAP " ended with status %d", status);
	for (size_t k = MAPS_COUNT; k-- > 0 && !m->code;) {
		if (suffix)
			m->code = put_in_place(m, k, suffix);
		if (!m->code)
			m->code = put_in_place(m, k, "");
	}
	if (!m->code) {
		for (size_t k = 0; k < MAPS_COUNT; k++) {
			buf_reset(&m->now[k]);
			buf_add_slice(&m->now[k], buf_slice(&m->next[k]));
		}
		m->written = true;
		log_info("postfix_tables_written", LF_STR("folder", m->settings->postfix_map_dir));
	}
	look_end(m);
}

static enum err run_postmap(struct maps *m)
{
	struct buf args[MAPS_COUNT];
	char *argv[MAPS_COUNT + 2] = { (char[]){ POSTMAP } };
	enum err e;

	for (size_t k = 0; k < MAPS_COUNT; k++) {
		buf_init(&args[k], PATH_MAX_BYTES);
		buf_addf(&args[k], "%s:%s/%s" NEW, m->settings->postfix_map_type,
			 m->settings->postfix_map_dir, names[k]);
		argv[k + 1] = args[k].p;
	}
	e = loop_spawn(m->loop, argv, indexed, m, &m->fail);
	for (size_t k = 0; k < MAPS_COUNT; k++)
		buf_release(&args[k]);
	return e;
}

static void looked(struct task *t)
{
	struct maps *m = CONTAINER(t, struct maps, task);

	if (m->code || !m->changed || m->stopped) {
		look_end(m);
		return;
	}
	if (!maps_suffix(m->settings->postfix_map_type)) {
		indexed(0, m);
		return;
	}
	m->code = run_postmap(m);
	if (m->code)
		look_end(m);
}

static void start_look(void *arg)
{
	struct maps *m = arg;

	m->busy = true;
	loop_submit(m->loop, &m->task);
}

/* ---- life ---- */

struct maps *maps_new(struct loop *loop, const struct settings *s, const struct sender *sender,
		      struct db_pool *pool)
{
	struct maps *m = mem_zalloc(sizeof(*m));

	m->task = (struct task){ .lane = LANE_DB, .run = look, .done = looked };
	m->loop = loop;
	m->settings = s;
	m->sender = sender;
	m->pool = pool;
	for (size_t k = 0; k < MAPS_COUNT; k++) {
		buf_init(&m->now[k], TABLE_MAX);
		buf_init(&m->next[k], TABLE_MAX);
	}
	m->timer = loop_timer_new(loop, start_look, m);
	loop_timer_start(m->timer, 0);
	return m;
}

void maps_wake(struct maps *m)
{
	if (m->busy)
		m->again = true;
	else if (!m->stopped)
		loop_timer_start(m->timer, 0);
}

void maps_stop(struct maps *m)
{
	m->stopped = true;
	loop_timer_stop(m->timer);
}

bool maps_idle(const struct maps *m)
{
	return !m->busy;
}

void maps_free(struct maps *m)
{
	if (!m)
		return;
	for (size_t k = 0; k < MAPS_COUNT; k++) {
		buf_release(&m->now[k]);
		buf_release(&m->next[k]);
	}
	loop_timer_free(m->timer);
	free(m);
}
