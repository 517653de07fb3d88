/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composes and signs mails for tests that read them with the libraries of others. The
 * first line of the output is the public key; then each line of the input, a JSON
 * object with the fields of struct compose_mail, gets one: the mail in base64, or "!"
 * and why there is none.
 */
#include "common/base/encode.h"
#include "common/base/rsa.h"
#include "common/mail/compose.h"
#include "common/mail/mime.h"
#include "deliverd/dkim_sign.h"

#include <jansson.h>

enum { MAIL_MAX = 36 * 1024 * 1024, BASE64_MAX = 2 * MAIL_MAX };

static const char *const automatic[] = {
	[COMPOSE_NOT_AUTO] = "",
	[COMPOSE_AUTO_GENERATED] = "auto-generated",
	[COMPOSE_AUTO_REPLIED] = "auto-replied",
};

static struct slice text_of(const json_t *v)
{
	return slice_of(json_string_value(v), json_string_length(v));
}

static struct slice text(const json_t *object, const char *key)
{
	return text_of(json_object_get(object, key));
}

static const struct slice *texts(const json_t *object, const char *key, struct arena *a,
				 size_t *ret_n)
{
	const json_t *array = json_object_get(object, key);
	size_t n = json_array_size(array);
	struct slice *v = arena_calloc(a, n + 1, sizeof(*v));

	for (size_t i = 0; i < n; i++)
		v[i] = text_of(json_array_get(array, i));
	*ret_n = n;
	return v;
}

static struct slice bytes(const json_t *object, const char *key, struct arena *a)
{
	AUTO(buf_release) struct buf b = BUF_INIT(MAIL_MAX);

	if (base64_decode(text(object, key), &b))
		abort();
	return arena_slice(a, buf_slice(&b));
}

static const struct compose_attachment *files(const json_t *object, struct arena *a, size_t *ret_n)
{
	const json_t *array = json_object_get(object, "attachments");
	size_t n = json_array_size(array);
	struct compose_attachment *v = arena_calloc(a, n + 1, sizeof(*v));

	for (size_t i = 0; i < n; i++) {
		const json_t *f = json_array_get(array, i);

		v[i].filename = text(f, "filename");
		v[i].content_type = text(f, "content_type");
		v[i].data = bytes(f, "data", a);
	}
	*ret_n = n;
	return v;
}

static struct compose_mail mail_of(const json_t *o, struct arena *a)
{
	struct compose_mail m = {
		.from = text(o, "from"),
		.from_name = text(o, "from_name"),
		.reply_to = text(o, "reply_to"),
		.subject = text(o, "subject"),
		.message_id = text(o, "message_id"),
		.date_us = json_integer_value(json_object_get(o, "date_us")),
		.in_reply_to = text(o, "in_reply_to"),
		.conversation_id = text(o, "conversation_id"),
		.text = text(o, "text"),
		.html = text(o, "html"),
	};

	m.to = texts(o, "to", a, &m.to_n);
	m.cc = texts(o, "cc", a, &m.cc_n);
	m.references = texts(o, "references", a, &m.references_n);
	m.attachments = files(o, a, &m.attachments_n);
	for (size_t i = 0; i < ARRAY_LEN(automatic); i++)
		if (slice_eq(text(o, "automatic"), slice_str(automatic[i])))
			m.automatic = (enum compose_auto)i;
	return m;
}

/* The signature stands above the mail. */
static enum err make(const struct dkim_signer *signer, const struct dkim_sign_key *key,
		     const json_t *o, struct buf *ret, struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf mail = BUF_INIT(MAIL_MAX);
	const struct compose_mail m = mail_of(o, &a);
	enum err e = compose_mail(&m, &mail, fail);

	if (e == OK)
		e = dkim_signer_sign(signer, key, buf_slice(&mail), ret, fail);
	if (e == OK)
		buf_add_slice(ret, buf_slice(&mail));
	return e ? e : buf_check(ret);
}

static void answer(const struct dkim_signer *signer, struct dkim_sign_key *key, const json_t *o)
{
	AUTO(buf_release) struct buf mail = BUF_INIT(MAIL_MAX + DKIM_SIGN_FIELD_MAX);
	AUTO(buf_release) struct buf line = BUF_INIT(BASE64_MAX);
	struct fail fail = { 0 };

	key->domain = text(o, "domain");
	if (make(signer, key, o, &mail, &fail))
		buf_addf(&line, "!%s", fail.what);
	else
		base64_encode(buf_slice(&mail), &line);
	puts(buf_cstr(&line));
	fflush(stdout);
}

int main(void)
{
	const size_t flags = JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL;
	AUTO(buf_release) struct buf private_key = BUF_INIT(RSA_PRIVATE_MAX);
	AUTO(buf_release) struct buf public_key = BUF_INIT(RSA_PUBLIC_MAX);
	AUTO(dkim_signer_freep) struct dkim_signer *signer = NULL;
	struct dkim_sign_key key = { .selector = S("e2a1") };
	json_t *o;

	mime_init();
	if (rsa_generate(&private_key, &public_key) || dkim_signer_new(0, &signer, NULL))
		return 1;
	key.private_key = buf_slice(&private_key);
	puts(buf_cstr(&public_key));
	fflush(stdout);
	while ((o = json_loadf(stdin, flags, NULL))) {
		answer(signer, &key, o);
		json_decref(o);
	}
	return 0;
}
