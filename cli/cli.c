/* SPDX-License-Identifier: Apache-2.0 */
/* What commands share: the client, the agent they act as, complaints. */
#include "cli/cli.h"

#include "common/base/weburl.h"

#include <stdarg.h>
#include <unistd.h>

enum { SILENCE_S_MAX = 3600, LINE_MAX_BYTES = 4096 };

enum err cli_usage(struct cli *c, struct fail *fail, const char *fmt, ...)
{
	AUTO(buf_release) struct buf b = BUF_INIT(LINE_MAX_BYTES);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	c->usage = true;
	return fail_set(fail, ERR_INPUT, "%s", buf_cstr(&b));
}

void cli_warn(const char *fmt, ...)
{
	AUTO(buf_release)
	struct buf b = BUF_INIT(LINE_MAX_BYTES), safe = BUF_INIT(8 * LINE_MAX_BYTES);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	out_safe_line(&safe, buf_slice(&b));
	fprintf(stderr, "Warning: %s\n", buf_cstr(&safe));
}

/* Whoever reads along on the way would have the key. */
static void warn_of_clear_text(const char *url)
{
	struct weburl u;

	if (isatty(STDERR_FILENO) && weburl_parse(slice_str(url), &u, NULL) == OK && !u.https &&
	    !weburl_is_loopback(&u))
		cli_warn("%s is not encrypted; the API key can be read on its way", url);
}

static enum err silence(unsigned *ret, struct fail *fail)
{
	const char *text = getenv("E2A_TIMEOUT");
	uint64_t s = API_SILENCE_S;

	if (text && *text && (slice_to_u64(slice_str(text), SILENCE_S_MAX, &s) || s == 0))
		return fail_set(fail, ERR_CONFIG, "E2A_TIMEOUT must be seconds, from 1 to %d",
				SILENCE_S_MAX);
	*ret = (unsigned)s;
	return OK;
}

static void say_wait(void *arg, int64_t ms, const char *why)
{
	progress_end(arg);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "Waiting %lld s: %s\n", (long long)(ms + 999) / 1000, why);
}

enum err cli_api_anonymous(struct cli *c, struct api **ret, struct fail *fail)
{
	struct api_options o = {
		.base_url = c->config.value[CONFIG_API_URL],
		.key = c->config.value[CONFIG_API_KEY],
		.waiting = say_wait,
		.arg = &c->progress,
	};
	enum err e = silence(&o.silence_s, fail);

	if (e)
		return e;
	if (!c->api) {
		warn_of_clear_text(o.base_url);
		c->api = api_new(&o);
	}
	*ret = c->api;
	return OK;
}

enum err cli_api(struct cli *c, struct api **ret, struct fail *fail)
{
	if (!c->config.value[CONFIG_API_KEY])
		return fail_set(fail, ERR_CONFIG, "Not authenticated. Run: e2a login");
	return cli_api_anonymous(c, ret, fail);
}

enum err cli_call(struct cli *c, const struct api_request *q, struct doc **ret, struct fail *fail)
{
	struct api_request patient = *q;
	struct api *api;
	enum err e = cli_api(c, &api, fail);

	if (e)
		return e;
	patient.wait_ms = CLI_WAIT_MS;
	api_on_progress(api, progress_show, &c->progress);
	e = api_json(api, &patient, ret, fail);
	api_on_progress(api, NULL, NULL);
	progress_end(&c->progress);
	return e;
}

enum err cli_id(struct cli *c, const char *arg, const char *what, struct fail *fail)
{
	struct slice s = slice_str(arg);

	if (s.n == 0)
		return cli_usage(c, fail, "the %s is empty", what);
	if (slice_eq(s, S(".")) || slice_eq(s, S("..")))
		return cli_usage(c, fail, "%s is no %s", arg, what);
	return OK;
}

enum err cli_done(struct cli *c, const struct api_request *q, const char *label, const char *key,
		  const char *what, struct fail *fail)
{
	AUTO(doc_freep) struct doc *answer = NULL, *done = NULL;
	enum err e = cli_call(c, q, &answer, fail);

	if (e)
		return e;
	if (!c->json) {
		out_field(&c->out, label, slice_str(what));
		return OK;
	}
	done = doc_object();
	doc_set_text(done, key, slice_str(what));
	out_doc(&c->out, done, DOC_PRETTY);
	return OK;
}

/* ---- the agent ---- */

static enum err shared_domain(struct cli *c, const char **ret, struct fail *fail)
{
	static const struct api_request q = { .path = "/api/v1/info",
					      .anonymous = true,
					      .wait_ms = CLI_WAIT_MS };
	AUTO(doc_freep) struct doc *info = NULL;
	struct slice domain;
	struct api *api;
	enum err e;

	*ret = c->config.value[CONFIG_SHARED_DOMAIN];
	if (*ret)
		return OK;
	if ((e = cli_api_anonymous(c, &api, fail)) || (e = api_json(api, &q, &info, fail)))
		return e;
	domain = doc_text(info, "shared_domain");
	if (domain.n == 0)
		return fail_set(fail, ERR_INPUT,
				"%.120s has no shared domain; give a whole address",
				api_base_url(api));
	*ret = arena_dup(&c->arena, domain);
	return OK;
}

enum err cli_agent_named(struct cli *c, const char *email_or_slug, const char **ret,
			 struct fail *fail)
{
	struct slice text = slice_str(email_or_slug);
	const char *domain;
	enum err e;

	if (text.n == 0)
		return cli_usage(c, fail, "the agent's address is empty");
	if (slice_find(text, '@') >= 0) {
		*ret = email_or_slug;
		return OK;
	}
	e = shared_domain(c, &domain, fail);
	if (e == OK)
		*ret = arena_printf(&c->arena, "%s@%s", email_or_slug, domain);
	return e;
}

enum err cli_agent(struct cli *c, const char *option, const char **ret, struct fail *fail)
{
	if (option)
		return cli_agent_named(c, option, ret, fail);
	*ret = c->config.value[CONFIG_AGENT_EMAIL];
	return *ret ? OK
		    : fail_set(fail, ERR_CONFIG,
			       "No agent chosen. Give --agent, or run: e2a config set agent_email "
			       "<address>");
}
