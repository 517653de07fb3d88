/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a provider's JSON. No claim is guessed: what has another type than it
 * must have is an error, never a default.
 */
#include "apid/oidc_doc.h"

#include "common/base/mem.h"

#include <jansson.h>

#define TIME_MAX_S 253402300799.0 /* the end of the year 9999 */

enum { ITEMS_MAX = 64 };

static void release(json_t **json)
{
	json_decref(*json);
}

static enum err parse(struct slice text, json_t **ret, struct fail *fail)
{
	json_t *json = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, NULL);

	*ret = json;
	return json_is_object(json) ? OK : fail_set(fail, ERR_INPUT, "no JSON object");
}

static enum err wrong(const char *name, struct fail *fail)
{
	return fail_set(fail, ERR_INPUT, "%s is missing or of a wrong type", name);
}

struct text_row {
	const char *name;
	struct slice *at;
	bool required;
};

static enum err read_texts(const json_t *json, const struct text_row *rows, size_t n,
			   struct arena *a, struct fail *fail)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(json, rows[i].name);

		if ((!value || json_is_null(value)) && !rows[i].required)
			continue;
		if (!json_is_string(value))
			return wrong(rows[i].name, fail);
		*rows[i].at = arena_slice(
			a, slice_of(json_string_value(value), json_string_length(value)));
	}
	return OK;
}

static bool lists(const json_t *array, const char *text)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *item = json_string_value(json_array_get(array, i));

		if (item && strcmp(item, text) == 0)
			return true;
	}
	return false;
}

enum err oidc_doc_discovery(struct slice text, struct arena *a, struct oidc_discovery *ret,
			    struct fail *fail)
{
	AUTO(release) json_t *json = NULL;
	struct oidc_discovery d = { 0 };
	const struct text_row rows[] = {
		{ "issuer", &d.issuer, true },
		{ "authorization_endpoint", &d.authorization_endpoint, true },
		{ "token_endpoint", &d.token_endpoint, true },
		{ "userinfo_endpoint", &d.userinfo_endpoint, true },
	};
	const json_t *methods;
	enum err e = parse(text, &json, fail);

	if (e || (e = read_texts(json, rows, ARRAY_LEN(rows), a, fail)))
		return e;
	methods = json_object_get(json, "token_endpoint_auth_methods_supported");
	d.secret_in_body =
		lists(methods, "client_secret_post") && !lists(methods, "client_secret_basic");
	*ret = d;
	return OK;
}

enum err oidc_doc_tokens(struct slice text, struct arena *a, struct oidc_tokens *ret,
			 struct fail *fail)
{
	AUTO(release) json_t *json = NULL;
	struct oidc_tokens t = { 0 };
	struct slice type = { 0 };
	const struct text_row rows[] = {
		{ "access_token", &t.access_token, true },
		{ "id_token", &t.id_token, true },
		{ "token_type", &type, true },
	};
	enum err e = parse(text, &json, fail);

	if (e || (e = read_texts(json, rows, ARRAY_LEN(rows), a, fail)))
		return e;
	if (!slice_ieq(type, S("Bearer")))
		return fail_set(fail, ERR_INPUT, "token_type is not Bearer");
	*ret = t;
	return OK;
}

enum err oidc_doc_alg(struct slice text, struct arena *a, struct slice *ret, struct fail *fail)
{
	AUTO(release) json_t *json = NULL;
	const struct text_row row = { "alg", ret, true };
	enum err e = parse(text, &json, fail);

	return e ? e : read_texts(json, &row, 1, a, fail);
}

/* Seconds since 1970; a fraction is cut. */
static enum err read_time(const json_t *json, const char *name, int64_t *ret, struct fail *fail)
{
	const json_t *value = json_object_get(json, name);
	double seconds = json_number_value(value);

	if (!json_is_number(value) || !(seconds >= 0 && seconds <= TIME_MAX_S))
		return wrong(name, fail);
	*ret = (int64_t)seconds;
	return OK;
}

static enum err read_audience(const json_t *json, struct arena *a, struct oidc_claims *c,
			      struct fail *fail)
{
	const json_t *aud = json_object_get(json, "aud");
	size_t n = json_is_array(aud) ? json_array_size(aud) : 1;

	if (n == 0 || n > ITEMS_MAX)
		return wrong("aud", fail);
	c->aud = arena_calloc(a, n, sizeof(*c->aud));
	c->aud_n = n;
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_is_array(aud) ? json_array_get(aud, i) : aud;

		if (!json_is_string(item))
			return wrong("aud", fail);
		c->aud[i] =
			arena_slice(a, slice_of(json_string_value(item), json_string_length(item)));
	}
	return OK;
}

enum err oidc_doc_claims(struct slice text, struct arena *a, struct oidc_claims *ret,
			 struct fail *fail)
{
	AUTO(release) json_t *json = NULL;
	struct oidc_claims c = { 0 };
	const struct text_row rows[] = {
		{ "iss", &c.iss, true },
		{ "sub", &c.sub, true },
		{ "nonce", &c.nonce, true },
		{ "azp", &c.azp, false },
	};
	enum err e = parse(text, &json, fail);

	if (e || (e = read_texts(json, rows, ARRAY_LEN(rows), a, fail)) ||
	    (e = read_audience(json, a, &c, fail)) ||
	    (e = read_time(json, "exp", &c.exp_s, fail)) ||
	    (e = read_time(json, "iat", &c.iat_s, fail)))
		return e;
	*ret = c;
	return OK;
}

enum err oidc_doc_userinfo(struct slice text, struct arena *a, struct oidc_userinfo *ret,
			   struct fail *fail)
{
	AUTO(release) json_t *json = NULL;
	struct oidc_userinfo u = { 0 };
	const struct text_row rows[] = {
		{ "sub", &u.sub, true },
		{ "email", &u.email, false },
		{ "name", &u.name, false },
	};
	enum err e = parse(text, &json, fail);

	if (e || (e = read_texts(json, rows, ARRAY_LEN(rows), a, fail)))
		return e;
	u.email_verified = json_is_true(json_object_get(json, "email_verified"));
	*ret = u;
	return OK;
}
