/* SPDX-License-Identifier: Apache-2.0 */
/* The state parameter of OAuth 2 (RFC 6749 4.1.1). It comes back as hostile text. */
#include "apid/oidc_state.h"

#include "common/base/encode.h"
#include "common/base/ids.h"
#include "common/base/jsonf.h"
#include "common/base/mem.h"

static const struct jsonf_row rows[] = {
	{ "n", JSONF_TEXT, offsetof(struct oidc_state, nonce), JSONF_NO_GIVEN },
	{ "cb", JSONF_TEXT, offsetof(struct oidc_state, callback), JSONF_NO_GIVEN },
	{ "cs", JSONF_TEXT, offsetof(struct oidc_state, cli_state), JSONF_NO_GIVEN },
	{ 0 },
};

enum err oidc_state_write(const struct oidc_state *s, struct buf *ret)
{
	AUTO(buf_release) struct buf json = BUF_INIT(OIDC_STATE_MAX);
	size_t start = ret->len;
	struct jsonw w;

	jsonw_init(&w, &json);
	jsonw_object(&w);
	jsonw_key_text(&w, "n", s->nonce);
	if (s->callback.n) {
		jsonw_key_text(&w, "cb", s->callback);
		jsonw_key_text(&w, "cs", s->cli_state);
	}
	jsonw_object_end(&w);
	if (buf_failed(&json))
		return ERR_TOO_BIG;
	base64url_encode(buf_slice(&json), ret);
	while ((ret->len - start) % 4 && !buf_failed(ret))
		buf_add_char(ret, '=');
	return buf_check(ret);
}

enum err oidc_state_read(struct slice text, struct arena *a, struct oidc_state *ret)
{
	AUTO(buf_release) struct buf json = BUF_INIT(OIDC_STATE_MAX);
	struct oidc_state s = { 0 };

	if (text.n % 4)
		return ERR_INPUT;
	for (int i = 0; i < 2 && slice_ends(text, S("=")); i++)
		text.n--;
	if (base64url_decode(text, &json) || jsonf_read(buf_slice(&json), rows, a, &s) ||
	    !id_valid(s.nonce, ""))
		return ERR_INPUT;
	*ret = s;
	return OK;
}
