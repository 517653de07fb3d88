/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feedback: stored, and mailed to the operator in the same transaction.
 * Anybody may send it, so what is given must never get into a header but as text.
 */
#include "apid/handlers.h"
#include "apid/idem.h"
#include "apid/origin.h"
#include "apid/req.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "common/store/store_feedback.h"
#include "common/store/store_mail.h"

enum {
	EMAIL_MAX = 254,    /* bytes */
	MESSAGE_MAX = 5000, /* code points */
	TITLE_MAX = 80,     /* bytes */
	MAIL_TEXT_MAX = 64 * 1024,
	MAIL_LIFETIME_MS = 3 * 86400 * 1000,
};

struct feedback {
	struct slice email, category, message;
};

#define TEXT_ROW(field)                                                                            \
	{                                                                                          \
#field, JSONF_TEXT, offsetof(struct feedback, field), JSONF_NO_GIVEN               \
	}

static const struct jsonf_row feedback_rows[] = {
	TEXT_ROW(email),
	TEXT_ROW(category),
	TEXT_ROW(message),
	{ 0 },
};

/* ---- what may be said ---- */

static bool bad(struct req *r, const char *text)
{
	resp_error(&r->resp, 400, text);
	return false;
}

/* The characters with the property White_Space of Unicode. */
static size_t space_len(struct slice s)
{
	static const struct slice spaces[] = {
		SLICE_INIT(" "),
		SLICE_INIT("\t"),
		SLICE_INIT("\n"),
		SLICE_INIT("\v"),
		SLICE_INIT("\f"),
		SLICE_INIT("\r"),
		SLICE_INIT("\xc2\x85"),
		SLICE_INIT("\xc2\xa0"),
		SLICE_INIT("\xe1\x9a\x80"),
		SLICE_INIT("\xe2\x80\xa8"),
		SLICE_INIT("\xe2\x80\xa9"),
		SLICE_INIT("\xe2\x80\xaf"),
		SLICE_INIT("\xe2\x81\x9f"),
		SLICE_INIT("\xe3\x80\x80"),
	};

	for (size_t i = 0; i < ARRAY_LEN(spaces); i++)
		if (slice_starts(s, spaces[i]))
			return spaces[i].n;
	/* U+2000 to U+200A */
	if (slice_starts(s, S("\xe2\x80")) && s.n > 2 && (unsigned char)s.p[2] <= 0x8a)
		return 3;
	return 0;
}

/* From the first character on that is no white space. */
static struct slice without_lead(struct slice s)
{
	size_t n;

	while (s.n && (n = space_len(s)) > 0)
		s = slice_sub(s, n, s.n);
	return s;
}

static bool category_known(struct slice category)
{
	return slice_eq(category, S("bug")) || slice_eq(category, S("feature")) ||
	       slice_eq(category, S("general"));
}

static bool check(struct req *r, struct feedback *f)
{
	if (slice_find(f->message, '\0') >= 0 || slice_find(f->email, '\0') >= 0)
		return bad(r, "invalid request body");
	if (without_lead(f->message).n == 0)
		return bad(r, "message is required");
	if (utf8_count(f->message) > MESSAGE_MAX)
		return bad(r, "message too long (max 5000 characters)");
	if (f->email.n > EMAIL_MAX)
		return bad(r, "email too long");
	if (f->category.n == 0)
		f->category = S("general");
	return category_known(f->category) || bad(r, "category must be bug, feature, or general");
}

/* ---- the mail ---- */

static struct slice title(struct req *r, const struct feedback *f)
{
	struct slice rest = without_lead(f->message), line = S("");

	slice_cut(&rest, '\n', &line);
	line = utf8_line(&r->arena, line, TITLE_MAX);
	return slice_str(
		arena_printf(&r->arena, "[%.*s] %.*s", SLICE_ARGS(f->category), SLICE_ARGS(line)));
}

/* A name without domain, as Postfix takes it, is one of this host. */
static struct slice operator_address(struct req *r)
{
	const struct settings *s = r->app->settings;
	const char *to = *s->feedback_to ? s->feedback_to : s->postmaster;

	if (slice_find(slice_str(to), '@') >= 0)
		return slice_str(to);
	return slice_str(arena_printf(&r->arena, "%s@%s", to, s->mail_host));
}

static void write_text(struct req *r, const struct feedback *f, struct slice id, struct slice email,
		       struct buf *ret)
{
	struct slice user = r->principal.user_id;

	buf_add_slice(ret, f->message);
	buf_addf(ret, "\n\n--\nfeedback %.*s, category %.*s\n", SLICE_ARGS(id),
		 SLICE_ARGS(f->category));
	if (email.n)
		buf_addf(ret, "from %.*s\n", SLICE_ARGS(utf8_line(&r->arena, email, EMAIL_MAX)));
	if (user.n)
		buf_addf(ret, "user %.*s\n", SLICE_ARGS(user));
}

static enum err mail_operator(struct req *r, const struct feedback *f, struct slice id,
			      struct slice email, struct fail *fail)
{
	AUTO(buf_release) struct buf text = BUF_INIT(MAIL_TEXT_MAX);
	struct store_mail mail = {
		.kind = "feedback",
		.user_id = r->principal.user_id,
		.to = operator_address(r),
		.subject = title(r, f),
		.lifetime_ms = MAIL_LIFETIME_MS,
	};

	write_text(r, f, id, email, &text);
	mail.text = buf_slice(&text);
	if (addr_usable(email, &r->arena, &mail.reply_to))
		mail.reply_to = S("");
	return store_mail_add(r->db, r->app->keys, &mail, fail);
}

/* ---- the route ---- */

static enum err submit(struct req *r, void *arg, struct fail *fail)
{
	const struct feedback *f = arg;
	char id[ID_MAX];
	struct store_feedback stored = {
		.user_id = r->principal.user_id,
		.email = f->email,
		.category = f->category,
		.message = f->message,
	};
	struct slice email;
	struct jsonw *w;
	enum err e;

	id_new(ID_PREFIX_FEEDBACK, id);
	stored.id = slice_str(id);
	e = store_feedback_add(r->db, &stored, &r->arena, &email, fail);
	if (e == OK)
		e = mail_operator(r, f, stored.id, email, fail);
	if (e)
		return e;
	w = resp_json(&r->resp, 200);
	jsonw_object(w);
	jsonw_key_text(w, "status", S("ok"));
	jsonw_object_end(w);
	return OK;
}

/* A page of somebody else's does not speak for the user whose cookie comes along. */
static bool from_foreign_page(const struct req *r)
{
	const struct origin asks = { r->field.sec_fetch_site, r->field.origin, r->field.host };

	return (asks.sec_fetch_site.n || asks.origin.n) &&
	       !origin_is_own(&asks, slice_str(r->app->settings->public_url));
}

void feedback_create(struct req *r)
{
	struct feedback f = { 0 };
	struct fail fail = { 0 };
	enum err e = req_session(r, &fail);

	if (e && e != ERR_UNAUTHORIZED) {
		req_fail(r, &fail, "failed to submit feedback");
		return;
	}
	if (e || from_foreign_page(r))
		r->principal = (struct principal){ 0 };
	if (!idem_admit(r) || !req_json(r, feedback_rows, &f) || !check(r, &f))
		return;
	if (req_act(r, submit, &f, &fail))
		req_fail(r, &fail, "failed to submit feedback");
}
