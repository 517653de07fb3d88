/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages by keyset. Status, order, time and conversation are conditions of an index
 * and chosen by statement, because a plan is made once for all values. Everything
 * else is tested row by row over a window of the index that has a fixed size: a
 * page must never cost more because the mailbox is larger. The last row of a full
 * window comes back even when it does not match, as the place to go on from.
 */
#include "common/store/store_message_list.h"

#include "common/store/store_message_row.h"

#include <assert.h>

enum { LOOKED_MAX = 5000 }; /* rows of an index that one page looks at */

#define OLDEST_FIRST "m.created_at, m.id"
#define NEWEST_FIRST "m.created_at DESC, m.id DESC"
#define UNREAD " AND m.inbox_status = 'unread'"
#define READ " AND m.inbox_status = 'read'"
#define ALL " AND m.direction = 'inbound'"
#define CONVERSATION(id) " AND m.conversation_id = " id " AND m.conversation_id <> ''"
#define ANY_CONVERSATION " AND m.conversation_id <> ''"

/* $2 agent, $3 $4 where to go on */
#define WINDOW(filter, beyond)                                                                     \
	"SELECT " MESSAGE_SUMMARY                                                                  \
	", m.user_id, m.agent_email, m.direction, m.expires_at, m.stored_in "                      \
	"FROM messages m WHERE m.agent_email = $2" filter " AND (m.created_at, m.id) " beyond      \
	" ($3, $4)"
/*
 * `looked` is a parameter and has to be LOOKED_MAX. The planner takes any other
 * limit than a parameter for all rows, and sorts all of them; the order of the
 * row numbers is told so that it need not sort again. So the window ends with the page.
 */
#define LOOK(window, order, matches, looked)                                                       \
	" FROM (SELECT m.*, row_number() OVER (ORDER BY " order ") AS looked, " matches            \
	" AS matches FROM (" window " ORDER BY " order " LIMIT " looked ") m) m"
#define ENDS(looked) ", m.matches, m.looked = " looked
#define FOUND(order, limit, looked)                                                                \
	" WHERE m.matches OR m.looked = " looked " ORDER BY " order " LIMIT " limit

/* $6 part of the sender, $7 part of the subject; strpos() knows no wildcards */
#define PARTS                                                                                      \
	" AND ($6 = '' OR strpos(lower(m.header_from), lower($6)) > 0)"                            \
	" AND ($7 = '' OR strpos(lower(m.subject), lower($7)) > 0)"

/* $5 the other end in time, $8 rows, $9 looked */
#define LIST(name, filter, more, beyond, end, order)                                               \
	{                                                                                          \
		name,                                                                              \
			"SELECT " MESSAGE_SUMMARY ENDS("$9")                                       \
				LOOK(WINDOW(filter, beyond) " AND m.created_at " end " $5", order, \
				     MESSAGE_MINE PARTS more, "$9") FOUND(order, "$8", "$9"),      \
			false                                                                      \
	}
/* $10 $11 told, $12 $13 up to */
#define NEWS " AND NOT " MOMENT_SHOWS("$10", "$11") " AND " MOMENT_SHOWS("$12", "$13")
#define BOTH_WAYS(name, filter, more)                                                              \
	LIST(name, filter, more, ">", "<", OLDEST_FIRST),                                          \
		LIST(name "_newest", filter, more, "<", ">=", NEWEST_FIRST)

/* A later message of the same conversation. $6 as of */
#define LATER                                                                                      \
	"EXISTS (SELECT FROM messages o WHERE o.agent_email = m.agent_email "                      \
	"AND o.conversation_id = m.conversation_id AND o.conversation_id <> '' "                   \
	"AND (o.created_at, o.id) > (m.created_at, m.id) AND o.created_at <= $6 "                  \
	"AND o.user_id = $1 AND o.direction = 'inbound' AND o.expires_at > now())"

/* $7 messages that are counted, $8 looked */
#define COUNTS                                                                                     \
	"SELECT count(*) AS n, count(*) FILTER (WHERE t.inbox_status = 'unread') AS unread FROM "  \
	"(SELECT o.inbox_status FROM messages o WHERE o.agent_email = m.agent_email "              \
	"AND o.conversation_id = m.conversation_id AND o.conversation_id <> '' "                   \
	"AND o.user_id = $1 AND o.direction = 'inbound' AND o.expires_at > now() "                 \
	"ORDER BY o.created_at DESC, o.id DESC LIMIT $7) t"

enum {
	LIST_OF_UNREAD = 0,
	LIST_OF_READ = 2,
	LIST_OF_ALL = 4,
	LIST_OF_CONVERSATION = 6,
	NEWS_OF_UNREAD = 8,
	NEWS_OF_READ,
	NEWS_OF_ALL,
	NEWS_OF_CONVERSATION,
	THREADS
};

const struct db_stmt store_message_list_stmts[] = {
	[LIST_OF_UNREAD] = BOTH_WAYS("message_list_unread", UNREAD, ""),
	[LIST_OF_READ] = BOTH_WAYS("message_list_read", READ, ""),
	[LIST_OF_ALL] = BOTH_WAYS("message_list_all", ALL, ""),
	[LIST_OF_CONVERSATION] = BOTH_WAYS("message_list_conversation", CONVERSATION("$10"),
					   " AND ($11 = '' OR m.inbox_status = $11)"),
	[NEWS_OF_UNREAD] = LIST("message_news_unread", UNREAD, NEWS, ">", "<", OLDEST_FIRST),
	[NEWS_OF_READ] = LIST("message_news_read", READ, NEWS, ">", "<", OLDEST_FIRST),
	[NEWS_OF_ALL] = LIST("message_news_all", ALL, NEWS, ">", "<", OLDEST_FIRST),
	[NEWS_OF_CONVERSATION] =
		LIST("message_news_conversation", CONVERSATION("$14"),
		     NEWS " AND ($15 = '' OR m.inbox_status = $15)", ">", "<", OLDEST_FIRST),
	[THREADS] = { "message_conversations",
		      "SELECT " MESSAGE_NOTICE ENDS("$8") ", c.n, c.unread" LOOK(
			      WINDOW(ANY_CONVERSATION, "<"), NEWEST_FIRST,
			      MESSAGE_MINE " AND NOT " LATER,
			      "$8") " LEFT JOIN LATERAL (" COUNTS
				    ") c ON m.matches" FOUND(NEWEST_FIRST, "$5", "$8"),
		      false },
	{ 0 },
};

static const struct {
	int list, news;
	struct slice name;
} status_rows[] = {
	[STORE_MESSAGE_UNREAD] = { LIST_OF_UNREAD, NEWS_OF_UNREAD, SLICE_INIT("unread") },
	[STORE_MESSAGE_READ] = { LIST_OF_READ, NEWS_OF_READ, SLICE_INIT("read") },
	[STORE_MESSAGE_ALL] = { LIST_OF_ALL, NEWS_OF_ALL, SLICE_INIT("") },
};

static bool is_news(const struct store_message_page *p)
{
	return p->upto.snapshot.n > 0;
}

static const struct db_stmt *stmt_of(const struct store_message_page *p)
{
	int list = p->conversation_id.n ? LIST_OF_CONVERSATION : status_rows[p->filter].list;
	int news = p->conversation_id.n ? NEWS_OF_CONVERSATION : status_rows[p->filter].news;

	assert(!is_news(p) || !p->newest_first);
	return &store_message_list_stmts[is_news(p) ? news : list + p->newest_first];
}

/* Where the first page begins, with what is settled left out. */
static int64_t oldest_of(const struct store_message_page *p)
{
	int64_t unsettled = p->told.at_us - STORE_MOMENT_SETTLED_US;

	return p->told.snapshot.n && unsettled > p->since_us ? unsettled : p->since_us;
}

/* The first page begins at one end of the time asked for; an empty id stands before all others. */
static void arg_range(struct db_args *args, const struct store_message_page *p)
{
	int64_t begin = p->newest_first ? p->until_us : oldest_of(p);
	int64_t end = p->newest_first ? p->since_us : p->until_us;

	db_arg_time(args, p->after.id.n ? p->after.created_us : begin);
	db_arg_text(args, p->after.id);
	db_arg_time(args, end);
}

static void arg_page(struct db_args *args, const struct store_message_page *p)
{
	db_arg_text(args, p->user_id);
	db_arg_text(args, p->agent);
	arg_range(args, p);
	db_arg_text(args, p->from);
	db_arg_text(args, p->subject);
	db_arg_int(args, p->limit + 1); /* the one more tells whether there is a next page */
	db_arg_int(args, LOOKED_MAX);
	if (is_news(p)) {
		store_moment_arg(args, &p->told);
		store_moment_arg(args, &p->upto);
	}
	if (p->conversation_id.n) {
		db_arg_text(args, p->conversation_id);
		db_arg_text(args, status_rows[p->filter].name);
	}
}

/*
 * Of the rows of a window the first `limit` that match are the page. Where to go
 * on: behind the last one of it, or at the end of the window.
 */
static size_t cut_page(const struct db_rows *r, int matches, int64_t limit, struct arena *a,
		       struct store_message_next *ret_next)
{
	size_t rows = db_rows_count(r), last = rows - 1;
	size_t n = rows && !db_bool(r, last, matches) ? last : rows;

	*ret_next = (struct store_message_next){ 0 };
	if (rows == 0)
		return 0;
	if (n > (size_t)limit)
		n = last = (size_t)limit;
	else if (!db_bool(r, last, matches + 1))
		return n;
	else
		last++;
	ret_next->more = true;
	ret_next->key.created_us = db_time(r, last - 1, 1);
	ret_next->key.id = db_text(r, last - 1, 0, a);
	return n;
}

enum err store_message_list(struct db *db, const struct store_message_page *page, struct arena *a,
			    struct store_message **ret, size_t *ret_n,
			    struct store_message_next *ret_next, struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	arg_page(&args, page);
	e = db_query(db, stmt_of(page), &args, &r, fail);
	if (e)
		return e;
	*ret_n = cut_page(r, MESSAGE_SUMMARY_COLUMNS, page->limit, a, ret_next);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		store_message_row_summary(r, i, a, &(*ret)[i]);
	return OK;
}

static void read_conversation(const struct db_rows *r, size_t row, struct arena *a,
			      struct store_conversation *ret)
{
	store_message_row_notice(r, row, a, &ret->last);
	ret->messages = db_int(r, row, MESSAGE_NOTICE_COLUMNS + 2);
	ret->unread = db_int(r, row, MESSAGE_NOTICE_COLUMNS + 3);
	ret->capped = ret->messages > CONVERSATION_MESSAGES_MAX;
	if (ret->capped)
		ret->messages = CONVERSATION_MESSAGES_MAX;
	if (ret->unread > ret->messages)
		ret->unread = ret->messages;
}

enum err store_conversation_list(struct db *db, const struct store_conversation_page *page,
				 struct arena *a, struct store_conversation **ret, size_t *ret_n,
				 struct store_message_next *ret_next, int64_t *ret_as_of_us,
				 struct fail *fail)
{
	struct db_args args = DB_ARGS_INIT;
	AUTO(db_rows_freep) struct db_rows *r = NULL;
	enum err e;

	db_arg_text(&args, page->user_id);
	db_arg_text(&args, page->agent);
	db_arg_time(&args, page->after.id.n ? page->after.created_us : INT64_MAX);
	db_arg_text(&args, page->after.id);
	db_arg_int(&args, page->limit + 1);
	db_arg_time(&args, page->as_of_us);
	db_arg_int(&args, CONVERSATION_MESSAGES_MAX + 1);
	db_arg_int(&args, LOOKED_MAX);
	e = db_query(db, &store_message_list_stmts[THREADS], &args, &r, fail);
	if (e)
		return e;
	*ret_n = cut_page(r, MESSAGE_NOTICE_COLUMNS, page->limit, a, ret_next);
	*ret = arena_calloc(a, *ret_n, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		read_conversation(r, i, a, &(*ret)[i]);
	*ret_as_of_us = page->as_of_us;
	if (page->as_of_us == INT64_MAX && db_rows_count(r))
		*ret_as_of_us = db_time(r, 0, 1);
	return OK;
}
