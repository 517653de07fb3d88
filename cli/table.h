/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for people: columns as wide as what stands in them, counted as a terminal shows it (wide
 * and combining characters). Cells may hold texts of others.
 */
#ifndef E2A_CLI_TABLE_H
#define E2A_CLI_TABLE_H

#include "cli/out.h"
#include "common/base/arena.h"

enum { TABLE_COLUMNS_MAX = 8 };

struct table_column {
	const char *head;
	size_t max; /* cells that are wider are cut, with a mark; 0: never */
};

struct table;

/* `columns` outlives the table. */
struct table *table_new(const struct table_column *columns, size_t n);
void table_free(struct table *t);
DEFINE_FREEP(struct table, table_free)
/* The next cell, from left to right, row by row. */
void table_cell(struct table *t, struct slice text);
/* The heads and the rows that are full. */
void table_print(const struct table *t, struct out *o);

/* Columns that a text takes on a terminal; it holds no odd characters. */
size_t table_width(struct slice text);

#endif
