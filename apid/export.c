/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An export is made step by step: a list begins, goes on with a page of objects,
 * ends; a mail that is too large for its row, and one that is held, follow in pieces. What a step
 * makes waits in `made` until the client takes it; never more than a page.
 */
#include "apid/export.h"

#include "apid/held_content.h"
#include "common/base/clock.h"
#include "common/base/encode.h"
#include "common/store/store_export.h"
#include "common/store/store_message.h"

#include <assert.h>
#include <pthread.h>

enum {
	MADE_MAX = 64 * 1024 * 1024, /* a page of mails with the largest headers there may be */
	RAW_PIECE = 192 * 1024,      /* bytes of a mail; a multiple of 3 */
};

static_assert(STORE_EXPORT_HEAD % 3 == 0 && RAW_PIECE % 3 == 0, "base64 goes on in the middle");

struct exports {
	const struct settings *settings;
	pthread_mutex_t lock;
	struct export *head; /* under the lock */
	int64_t n;
};

struct export
{
	struct export *prev, *next;
	struct exports *all;
	struct slice user_id;
	struct arena arena; /* for as long as it lasts */
	struct db *db;      /* its own, in a transaction that sees one state */
	int64_t deadline_ms;
	const struct store_export_part *part;
	enum err (*step)(struct export * x, struct fail * fail); /* NULL: all is made */
	bool begun;                                              /* the list of the part stands */
	/* the page under way */
	struct arena page;
	struct db_rows *rows;
	struct store_export_row *row;
	size_t row_n, row_at;
	int64_t after_us;
	struct buf after_id;
	int64_t raw_done; /* bytes of the row's mail */
	struct held_content *held;
	struct buf made;
	size_t given; /* of it */
};

struct exports *exports_new(const struct settings *s)
{
	struct exports *x = mem_zalloc(sizeof(*x));

	x->settings = s;
	pthread_mutex_init(&x->lock, NULL);
	return x;
}

void exports_free(struct exports *x)
{
	if (!x)
		return;
	assert(!x->head);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

/* ---- a place among those that are under way ---- */

static enum err enter(struct exports *all, struct export *x, struct fail *fail)
{
	enum err e = OK;

	pthread_mutex_lock(&all->lock);
	for (const struct export *i = all->head; i && e == OK; i = i->next)
		if (slice_eq(i->user_id, x->user_id))
			e = fail_set(fail, ERR_RATE, "an export of this user is under way");
	if (e == OK && all->n >= all->settings->export_concurrency)
		e = fail_set(fail, ERR_BUSY, "%lld exports are under way", (long long)all->n);
	if (e == OK) {
		x->all = all;
		x->next = all->head;
		if (x->next)
			x->next->prev = x;
		all->head = x;
		all->n++;
	}
	pthread_mutex_unlock(&all->lock);
	return e;
}

static void leave(struct export *x)
{
	if (!x->all)
		return;
	pthread_mutex_lock(&x->all->lock);
	*(x->prev ? &x->prev->next : &x->all->head) = x->next;
	if (x->next)
		x->next->prev = x->prev;
	x->all->n--;
	pthread_mutex_unlock(&x->all->lock);
}

static void drop_page(struct export *x)
{
	held_content_close(TAKE(x->held));
	db_rows_free(TAKE(x->rows));
	arena_release(&x->page);
	x->row_n = x->row_at = 0;
}

static void export_free(void *arg)
{
	struct export *x = arg;

	if (!x)
		return;
	leave(x);
	drop_page(x);
	db_close(x->db);
	buf_release(&x->after_id);
	buf_release(&x->made);
	arena_release(&x->arena);
	free(x);
}
DEFINE_FREEP(struct export, export_free)

/* ---- steps ---- */

static enum err read_page(struct export *x, struct fail *fail)
{
	drop_page(x);
	return store_export_page(x->db, x->part, x->user_id, x->after_us, buf_slice(&x->after_id),
				 &x->page, &x->row, &x->row_n, &x->rows, fail);
}

static enum err step_part(struct export *x, struct fail *fail);

/* The list's key, once it is known that the list is there. */
static void begin_list(struct export *x)
{
	if (x->begun || (x->part->if_any && x->row_n == 0))
		return;
	buf_addf(&x->made, ",\"%s\":[", x->part->key);
	x->begun = true;
}

static void end_list(struct export *x)
{
	if (x->begun)
		buf_add_char(&x->made, ']');
	x->part++;
	x->step = step_part;
}

static void end_row(struct export *x)
{
	const struct store_export_row *row = &x->row[x->row_at];

	buf_add_char(&x->made, '}');
	x->after_us = row->created_us;
	buf_reset(&x->after_id);
	buf_add_slice(&x->after_id, row->id);
	x->row_at++;
}

static enum err step_rows(struct export *x, struct fail *fail);

static enum err step_raw(struct export *x, struct fail *fail)
{
	const struct store_export_row *row = &x->row[x->row_at];
	AUTO(buf_release) struct buf bytes = BUF_INIT(RAW_PIECE);
	int64_t left = row->raw_size - x->raw_done, n = left < RAW_PIECE ? left : RAW_PIECE;
	enum err e = store_message_raw(x->db, row->raw_id, x->raw_done, n, &bytes, fail);

	if (e)
		return e;
	base64_encode(buf_slice(&bytes), &x->made);
	x->raw_done += n;
	if (n < left)
		return OK;
	buf_add_char(&x->made, '"');
	end_row(x);
	x->step = step_rows;
	return OK;
}

/* In one snapshot it is held until its end. */
static enum err step_held(struct export *x, struct fail *fail)
{
	enum err e = held_content_step(x->held, x->db, &x->made, fail);

	if (e || !held_content_done(x->held))
		return e;
	held_content_close(TAKE(x->held));
	end_row(x);
	x->step = step_rows;
	return OK;
}

static enum err begin_held(struct export *x, const struct store_export_row *row, struct fail *fail)
{
	enum err e = held_content_open(x->db, x->user_id, row->id, &x->page, &x->held, fail);

	if (e == OK)
		x->step = step_held;
	else if (e == ERR_NOT_FOUND) /* it says nothing, then */
		end_row(x);
	return e == ERR_NOT_FOUND ? OK : e;
}

static void begin_raw(struct export *x, const struct store_export_row *row)
{
	buf_add_str(&x->made, ",\"raw_message\":\"");
	base64_encode(row->raw_head, &x->made);
	x->raw_done = (int64_t)row->raw_head.n;
	if (x->raw_done < row->raw_size)
		x->step = step_raw;
	else
		buf_add_char(&x->made, '"');
}

/* One object; of a mail all that came with its row. */
static enum err write_row(struct export *x, struct fail *fail)
{
	const struct store_export_row *row = &x->row[x->row_at];
	bool first = x->after_id.len == 0;

	if (!first)
		buf_add_char(&x->made, ',');
	buf_add_slice(&x->made, slice_sub(row->json, 0, row->json.n - 1)); /* still open */
	if (row->held)
		return begin_held(x, row, fail);
	if (row->raw_id.n)
		begin_raw(x, row);
	if (x->step == step_rows)
		end_row(x);
	return OK;
}

static enum err step_rows(struct export *x, struct fail *fail)
{
	enum err e = OK;

	if (x->row_at == x->row_n)
		e = read_page(x, fail);
	if (e)
		return e;
	begin_list(x);
	if (x->row_n)
		return write_row(x, fail);
	end_list(x);
	return OK;
}

static enum err step_part(struct export *x, struct fail *fail)
{
	(void)fail;
	x->begun = false;
	x->after_us = 0;
	buf_reset(&x->after_id);
	x->step = step_rows;
	if (!x->part->key) {
		buf_add_str(&x->made, "}\n");
		x->step = NULL;
	}
	return OK;
}

/* ---- the source ---- */

static enum err make(struct export *x, struct fail *fail)
{
	enum err e = OK;

	buf_reset(&x->made);
	x->given = 0;
	while (e == OK && x->step && x->made.len < RESP_PIECE_MAX)
		e = x->step(x, fail);
	if (e == OK && buf_failed(&x->made))
		e = fail_set(fail, ERR_TOO_BIG, "a page is too large");
	return e;
}

static enum err next_piece(void *arg, struct db *db, struct buf *piece, struct fail *fail)
{
	struct export *x = arg;
	enum err e = OK;

	(void)db; /* it sees another state with each statement */
	if (clock_mono_ms() > x->deadline_ms)
		return fail_set(fail, ERR_TIMEOUT, "the client did not take it in export_timeout");
	if (x->given == x->made.len)
		e = make(x, fail);
	if (e)
		return e;
	buf_add_slice(piece, slice_sub(buf_slice(&x->made), x->given, x->given + RESP_PIECE_MAX));
	x->given += piece->len;
	return OK;
}

static enum err open_snapshot(struct export *x, const struct settings *s, struct fail *fail)
{
	struct slice document;
	enum err e;

	x->db = db_new(s->database_url, "e2a_apid", "e2a-apid-export");
	e = db_begin_snapshot(x->db, s->export_timeout_ms, fail);
	if (e == OK)
		e = store_export_begin(x->db, x->user_id, &x->arena, &document, fail);
	if (e == OK)
		buf_add_slice(&x->made, slice_sub(document, 0, document.n - 1)); /* still open */
	return e;
}

enum err export_begin(struct exports *all, struct slice user_id, struct resp_source *ret,
		      struct fail *fail)
{
	AUTO(export_freep) struct export *x = mem_zalloc(sizeof(*x));
	enum err e;

	x->user_id = arena_slice(&x->arena, user_id);
	x->deadline_ms = clock_mono_ms() + all->settings->export_timeout_ms;
	x->part = store_export_parts;
	x->step = step_part;
	buf_init(&x->after_id, MADE_MAX);
	buf_init(&x->made, MADE_MAX);
	e = enter(all, x, fail);
	if (e == OK)
		e = open_snapshot(x, all->settings, fail);
	if (e == OK)
		*ret = (struct resp_source){
			.next = next_piece, .free = export_free, .arg = TAKE(x), .size = -1
		};
	return e;
}
