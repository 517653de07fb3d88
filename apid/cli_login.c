/* SPDX-License-Identifier: Apache-2.0 */
/* A program's callback and state. Neither is believed because it was checked before. */
#include "apid/cli_login.h"

#include "apid/page.h"
#include "common/base/utf8.h"

enum { PATH_MAX_BYTES = 4096 };

static bool refuse(struct req *r, const char *text)
{
	resp_error(&r->resp, 400, text);
	return false;
}

bool cli_login_check(struct req *r, struct slice callback, struct slice state,
		     struct cli_login *ret)
{
	struct cli_login l = { .callback = callback, .state = state };
	struct fail fail = { 0 };

	if ((callback.n == 0) != (state.n == 0))
		return refuse(r, "cli_callback and cli_state must be provided together");
	if (callback.n && loopback_url_parse(callback, &l.url, &fail))
		return refuse(r, fail.what);
	if (state.n > CLI_STATE_MAX || slice_has_ctl(state) || !utf8_valid(state))
		return refuse(r, "invalid cli_state");
	*ret = l;
	return true;
}

bool cli_login_query(struct req *r, struct cli_login *ret)
{
	return cli_login_check(r, target_query(&r->target, S("cli_callback")),
			       target_query(&r->target, S("cli_state")), ret);
}

bool cli_login_form(struct req *r, struct cli_login *ret)
{
	return cli_login_check(r, req_form(r, S("cli_callback")), req_form(r, S("cli_state")), ret);
}

const char *cli_login_path(struct req *r, const char *path, const struct cli_login *l)
{
	AUTO(buf_release) struct buf b = BUF_INIT(PATH_MAX_BYTES);

	buf_add_str(&b, path);
	if (l->callback.n) {
		buf_add_str(&b, strchr(path, '?') ? "&cli_callback=" : "?cli_callback=");
		percent_encode(l->callback, &b);
		buf_add_str(&b, "&cli_state=");
		percent_encode(l->state, &b);
	}
	return arena_dup(&r->arena, buf_slice(&b));
}

void cli_login_hidden(struct buf *page, const struct cli_login *l)
{
	page_hidden(page, "cli_callback", l->callback);
	page_hidden(page, "cli_state", l->state);
}
