/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mail: its header, its parts, its bytes and a fresh signature. It must not be
 * marked read before everything that may fail without the client's doing was done.
 */
#include "apid/handlers.h"
#include "apid/message_content.h"
#include "apid/message_header.h"
#include "apid/message_query.h"
#include "common/base/clock.h"
#include "common/mail/authsig.h"
#include "common/store/store_secret.h"

/* null when there is nothing to sign or nothing to sign with. */
static void write_auth_headers(struct jsonw *w, const struct store_message *m, struct slice secret)
{
	AUTO(buf_release) struct buf hash = BUF_INIT(SHA256_HEX_LEN);
	struct authsig sig = {
		.verified = m->verified,
		.sender = m->sender,
		.entity_type = m->entity_type,
		.domain_check = m->domain_check,
		.delegation = m->delegation,
		.time_us = clock_now_us(),
		.message_id = m->id,
	};

	hex_encode(m->sha256, &hash);
	sig.body_hash = buf_slice(&hash);
	jsonw_key(w, "auth_headers");
	if (secret.n && m->sha256.n == SHA256_LEN)
		authsig_json(&sig, secret, w);
	else
		jsonw_null(w);
}

static void write_attachment(struct jsonw *w, const struct mime_part *p, size_t index)
{
	jsonw_object(w);
	jsonw_key_int(w, "index", (int64_t)index);
	jsonw_key_text_or_null(w, "filename", p->filename);
	jsonw_key_text(w, "content_type", p->type);
	jsonw_key_text_or_null(w, "charset", p->charset);
	jsonw_key_int(w, "size", p->size);
	jsonw_key_text_or_null(w, "disposition", p->disposition);
	jsonw_key_text_or_null(w, "content_id", p->content_id);
	jsonw_key_bool(w, "inline", p->shown);
	jsonw_object_end(w);
}

static void write_attachments(struct jsonw *w, const struct mime_tree *tree)
{
	size_t index = 0;

	jsonw_key(w, "attachments");
	jsonw_array(w);
	for (size_t i = 0; i < tree->n; i++)
		if (tree->v[i].role == MIME_ATTACHMENT)
			write_attachment(w, &tree->v[i], index++);
	jsonw_array_end(w);
	jsonw_key_bool(w, "attachments_truncated", tree->limited);
}

static void write_summary(struct jsonw *w, const struct store_message *m)
{
	jsonw_key_text(w, "message_id", m->id);
	jsonw_key_text(w, "from", m->from);
	resp_key_texts(w, "to", m->to, m->to_n);
	jsonw_key(w, "cc");
	if (m->cc_n)
		resp_texts(w, m->cc, m->cc_n);
	else
		jsonw_null(w);
	resp_key_texts(w, "reply_to", m->reply_to, m->reply_to_n);
	jsonw_key_text(w, "recipient", m->recipient);
	jsonw_key_text(w, "subject", m->subject);
	jsonw_key_text(w, "conversation_id", m->conversation_id);
	jsonw_key_text(w, "status", m->status);
	resp_key_seconds(w, "created_at", m->created_us);
	jsonw_key_text_or_null(w, "email_message_id", m->email_message_id);
	jsonw_key_text_or_null(w, "auto_submitted", m->auto_submitted);
}

static void write_authentication(struct jsonw *w, const struct store_message *m)
{
	jsonw_key_bool(w, "verified", m->verified);
	jsonw_key(w, "authentication");
	if (m->authentication.n)
		jsonw_raw(w, m->authentication);
	else
		jsonw_null(w);
}

static enum err write_detail(struct req *r, const struct stored_message *m, struct slice secret,
			     struct fail *fail)
{
	struct jsonw *w = resp_json(&r->resp, 200);
	enum err e;

	jsonw_object(w);
	write_summary(w, &m->row);
	message_header_json(&m->tree.header, &r->arena, w);
	write_authentication(w, &m->row);
	write_auth_headers(w, &m->row, secret);
	write_attachments(w, &m->tree);
	e = message_content_write(r, &m->mail, &m->tree, fail);
	jsonw_object_end(w);
	return e;
}

/* A small mail is marked read by the statement that reads it, a large one when it was scanned. */
static enum err read_message(struct req *r, const struct store_message_read *what,
			     struct slice secret, struct fail *fail)
{
	struct stored_message m;
	enum err e = stored_message_read(r->db, what, &r->arena, &m, fail);

	if (e == OK && !what->peek && !stored_mail_is_small(&m.mail))
		e = store_message_mark_read(r->db, what, fail);
	return e ? e : write_detail(r, &m, secret, fail);
}

/* The secret comes first: a message is not marked read and then withheld for want of it. */
static enum err show_message(struct req *r, const struct store_message_read *what,
			     struct fail *fail)
{
	AUTO(buf_release) struct buf secret = BUF_INIT(TOKEN_HEX_LEN);
	enum err e = store_secret_newest(r->db, r->app->keys, what->user_id, &secret, fail);

	if (e == OK || e == ERR_NOT_FOUND)
		e = read_message(r, what, buf_slice(&secret), fail);
	if (secret.p)
		crypto_wipe(secret.p, secret.cap);
	return e;
}

void message_get(struct req *r)
{
	bool peek = target_query(&r->target, S("peek")).n > 0;

	message_query_one(r, peek, show_message, "failed to fetch message");
}
