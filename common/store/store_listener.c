/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners, many in one statement: there may be ten thousand, and each is looked at every few
 * seconds. */
#include "common/store/store_listener.h"

#include "common/base/encode.h"
#include "common/store/store_listener_sql.h"

#define MAY LISTENER_MAY("l.key_id", "decode(l.session_hash, 'hex')", "l.address")

enum { CUT_OFF };

const struct db_stmt store_listener_stmts[] = {
	[CUT_OFF] = { "listener_cut_off",
		      "SELECT l.n - 1 FROM unnest($1::text[], $2::text[], $3::text[]) "
		      "WITH ORDINALITY AS l (key_id, session_hash, address, n) WHERE NOT " MAY,
		      false },
	{ 0 },
};

static struct slice hex_of(struct slice bytes, struct arena *a)
{
	AUTO(buf_release) struct buf hex = BUF_INIT(2 * bytes.n);

	hex_encode(bytes, &hex);
	return arena_slice(a, buf_slice(&hex));
}

static void arg_listeners(struct db_args *args, const struct store_listener *v, size_t n,
			  struct arena *a)
{
	struct slice *column = arena_calloc(a, n, sizeof(*column));

	for (size_t i = 0; i < n; i++)
		column[i] = v[i].key_id;
	db_arg_texts(args, column, n);
	for (size_t i = 0; i < n; i++)
		column[i] = hex_of(v[i].session_hash, a);
	db_arg_texts(args, column, n);
	for (size_t i = 0; i < n; i++)
		column[i] = v[i].address;
	db_arg_texts(args, column, n);
}

enum err store_listener_cut_off(struct db *db, const struct store_listener *v, size_t n,
				struct arena *a, size_t **ret, size_t *ret_n, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_listeners(&args, v, n, a);
	e = db_query(db, &store_listener_stmts[CUT_OFF], &args, &r, fail);
	if (e)
		return e;
	*ret_n = db_rows_count(r);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = (size_t)db_int(r, i, 0);
	return OK;
}
