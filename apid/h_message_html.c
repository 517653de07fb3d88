/* SPDX-License-Identifier: Apache-2.0 */
/* The HTML of one mail that came in, to be shown. Looking at it does not mark it read. */
#include "apid/body_text.h"
#include "apid/handlers.h"
#include "apid/mail_html.h"
#include "apid/message_query.h"

_Static_assert((int)BODY_TEXT_STEP_MAX <= (int)MAIL_HTML_PIECE_MAX, "a piece is one step");

struct source {
	struct stored_mail mail;
	struct mime_tree tree;
	struct body_text body;
};

static void source_free(void *arg)
{
	struct source *s = arg;

	body_text_release(&s->body);
}

/* Content may decode to nothing for a while. */
static enum err next_piece(void *arg, struct db *db, struct buf *piece, struct fail *fail)
{
	struct source *s = arg;
	enum err e = OK;

	while (e == OK && piece->len == 0 && !s->body.over)
		e = body_text_step(&s->body, db, piece, fail);
	return e;
}

static void answer(struct req *r, const struct stored_message *m)
{
	struct source *s = arena_alloc(&r->arena, sizeof(*s));

	*s = (struct source){ .mail = m->mail, .tree = m->tree };
	body_text_init(&s->body, &s->mail, &s->tree, MIME_BODY_HTML);
	mail_html_answer(r, &(struct resp_source){ next_piece, source_free, s, -1, 0, NULL });
}

static enum err show_html(struct req *r, const struct store_message_read *what, struct fail *fail)
{
	struct stored_message m;
	enum err e = stored_message_read(r->db, what, &r->arena, &m, fail);

	if (e)
		return e;
	if (m.mail.raw_id.n && body_text_exists(&m.tree, MIME_BODY_HTML))
		answer(r, &m);
	else
		resp_error(&r->resp, 404, "message has no html");
	return OK;
}

void message_html_get(struct req *r)
{
	message_query_one(r, true, show_html, "failed to fetch message");
}
