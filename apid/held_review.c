/* SPDX-License-Identifier: Apache-2.0 */
/* Held mail for a page that shows it. All of it may be 25 MB, which is for those who save it. */
#include "apid/held_review.h"

#include "apid/held_mail.h"

static void key_text(struct jsonw *w, const char *key, const char *key_size, struct slice text,
		     int64_t size)
{
	if (size == 0)
		return;
	jsonw_key_text(w, key, text);
	jsonw_key_int(w, key_size, size);
}

static void key_files(struct jsonw *w, const struct store_hold *hold)
{
	if (hold->files_n == 0)
		return;
	jsonw_key(w, "attachments");
	jsonw_array(w);
	for (size_t i = 0; i < hold->files_n; i++) {
		const struct store_hold_file *f = &hold->files[i];

		jsonw_object(w);
		jsonw_key_int(w, "index", (int64_t)i);
		jsonw_key_text(w, "filename", f->filename);
		jsonw_key_text(w, "content_type", f->content_type);
		jsonw_key_int(w, "size", f->size);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static enum err write_content(struct req *r, struct slice id, struct fail *fail)
{
	struct jsonw *w = &r->resp.json;
	struct held_mail held;
	enum err e = held_mail_find(r, r->principal.user_id, id, &held, fail);

	if (e)
		return e == ERR_NOT_FOUND ? OK : e; /* somebody has decided meanwhile */
	key_text(w, "body_text", "body_text_size", held.text, held.hold.text_bytes);
	key_text(w, "body_html", "body_html_size", held.html, held.hold.html_bytes);
	key_files(w, &held.hold);
	return OK;
}

enum err held_review_write(struct req *r, const struct store_sent *m, struct fail *fail)
{
	struct slice answers = S("");
	enum err e = OK;

	if (m->in_reply_to.n)
		e = store_sent_find_answered(r->db, r->principal.user_id, m->id, &r->arena,
					     &answers, fail);
	if (e && e != ERR_NOT_FOUND)
		return e;
	if (answers.n)
		jsonw_key_text(&r->resp.json, "answers", answers);
	return m->held ? write_content(r, m->id, fail) : OK;
}
