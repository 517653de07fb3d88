/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in Postgres' binary format (network byte order). No cell is read past its length. */
#include "common/store/db_rows.h"

#include "common/base/mem.h"

/* Seconds from 1970-01-01 to 2000-01-01, the epoch of timestamptz. */
#define PG_EPOCH_US (946684800LL * 1000000LL)

enum { ARRAY_ELEMENTS_MAX = 100000 };

/* A struct of its own keeps libpq's type out of the public header. */
struct db_rows {
	PGresult *res;
};

struct db_rows *db_rows_new(PGresult *res)
{
	struct db_rows *r = mem_alloc(sizeof(*r));

	r->res = res;
	return r;
}

void db_rows_free(struct db_rows *r)
{
	if (!r)
		return;
	PQclear(r->res);
	free(r);
}

size_t db_rows_count(const struct db_rows *r)
{
	return (size_t)PQntuples(r->res);
}

bool db_is_null(const struct db_rows *r, size_t row, int col)
{
	return PQgetisnull(r->res, (int)row, col);
}

struct slice db_slice(const struct db_rows *r, size_t row, int col)
{
	return slice_of(PQgetvalue(r->res, (int)row, col),
			(size_t)PQgetlength(r->res, (int)row, col));
}

/* A signed big-endian number of up to eight bytes. */
static int64_t big_endian(struct slice s)
{
	uint64_t v = s.n && (unsigned char)s.p[0] & 0x80 ? UINT64_MAX : 0;

	for (size_t i = 0; i < s.n && i < 8; i++)
		v = v << 8 | (unsigned char)s.p[i];
	return (int64_t)v;
}

int64_t db_int(const struct db_rows *r, size_t row, int col)
{
	return big_endian(db_slice(r, row, col));
}

bool db_bool(const struct db_rows *r, size_t row, int col)
{
	struct slice s = db_slice(r, row, col);

	return s.n == 1 && s.p[0] == 1;
}

int64_t db_time(const struct db_rows *r, size_t row, int col)
{
	return db_is_null(r, row, col) ? 0 : db_int(r, row, col) + PG_EPOCH_US;
}

static int64_t take_int32(struct slice *s)
{
	int64_t v = big_endian(slice_sub(*s, 0, 4));

	*s = slice_sub(*s, 4, s->n);
	return v;
}

/* Array format: dimensions, null flag, type; per dimension size and bound; then length and bytes of
 * each element. */
void db_slices(const struct db_rows *r, size_t row, int col, struct arena *a, struct slice **ret,
	       size_t *ret_n)
{
	struct slice s = db_slice(r, row, col);
	int64_t dimensions = take_int32(&s), n;

	*ret = NULL;
	*ret_n = 0;
	take_int32(&s);
	take_int32(&s);
	if (dimensions != 1)
		return;
	n = take_int32(&s);
	take_int32(&s);
	if (n <= 0 || n > ARRAY_ELEMENTS_MAX)
		return;
	*ret = arena_calloc(a, (size_t)n, sizeof(**ret));
	*ret_n = (size_t)n;
	for (size_t i = 0; i < *ret_n; i++) {
		int64_t len = take_int32(&s);

		if (len < 0) /* NULL */
			continue;
		(*ret)[i] = slice_sub(s, 0, (size_t)len);
		s = slice_sub(s, (size_t)len, s.n);
	}
}

struct slice db_text(const struct db_rows *r, size_t row, int col, struct arena *a)
{
	return arena_slice(a, db_slice(r, row, col));
}

void db_texts(const struct db_rows *r, size_t row, int col, struct arena *a, struct slice **ret,
	      size_t *ret_n)
{
	db_slices(r, row, col, a, ret, ret_n);
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = arena_slice(a, (*ret)[i]);
}
