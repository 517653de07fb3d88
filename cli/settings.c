/* SPDX-License-Identifier: Apache-2.0 */
/* e2a config: the settings of the command, which no server sees. */
#include "cli/cli.h"

#include "common/base/ids.h"

#define HIDDEN "\xe2\x80\xa6"

/* A list is shown around; who wants the key asks for it. */
static const char *shown(struct cli *c, enum config_key key)
{
	const char *value = c->config.value[key];

	if (key != CONFIG_API_KEY || !value)
		return value;
	return arena_printf(&c->arena, "%.*s" HIDDEN, TOKEN_PREFIX_LEN, value);
}

static enum err run_list(struct cli *c, struct fail *fail)
{
	AUTO(doc_freep) struct doc *all = doc_object();

	(void)fail;
	for (enum config_key i = 0; i < CONFIG_COUNT; i++) {
		const char *value = shown(c, i);

		if (c->json) {
			doc_set_text(all, config_name(i), slice_str(value));
			continue;
		}
		out_strf(&c->out, "%-14s", config_name(i));
		out_line(&c->out, slice_str(value));
		out_strf(&c->out, value ? "  (%s)\n" : "(not set)\n",
			 value ? c->config.origin[i] : "");
	}
	if (c->json)
		out_doc(&c->out, all, DOC_PRETTY);
	return OK;
}

static enum err key_of(struct cli *c, enum config_key *ret, struct fail *fail)
{
	if (config_key_named(slice_str(c->args[0]), ret))
		return cli_usage(c, fail,
				 "no such key: %.60s; there are api_key, api_url, agent_email and "
				 "shared_domain",
				 c->args[0]);
	return OK;
}

static enum err run_get(struct cli *c, struct fail *fail)
{
	AUTO(doc_freep) struct doc *d = NULL;
	enum config_key key;
	enum err e = key_of(c, &key, fail);

	if (e)
		return e;
	if (!c->config.value[key])
		return fail_set(fail, ERR_CONFIG, "%s is not set", config_name(key));
	if (c->json) {
		d = doc_object();
		doc_set_text(d, config_name(key), slice_str(c->config.value[key]));
		out_doc(&c->out, d, DOC_PRETTY);
		return OK;
	}
	out_line(&c->out, slice_str(c->config.value[key]));
	out_str(&c->out, "\n");
	return OK;
}

static enum err run_set(struct cli *c, struct fail *fail)
{
	struct config_change change = { .value = c->args[1] };
	AUTO(doc_freep) struct doc *d = NULL;
	enum err e = key_of(c, &change.key, fail);

	if (e || (e = config_change(&c->config, &change, 1, fail)))
		return e;
	if (c->json) {
		d = doc_object();
		doc_set_text(d, "saved", slice_str(config_name(change.key)));
		out_doc(&c->out, d, DOC_PRETTY);
	} else {
		out_field(&c->out, "Saved:", slice_str(config_name(change.key)));
	}
	if (config_env_wins(change.key))
		cli_warn("%s is set and wins over the file", config_env(change.key));
	return OK;
}

const struct command config_commands[] = {
	{ .name = "config", .args = "", .help = "The same as config list.", .run = run_list },
	{ .name = "config list",
	  .args = "",
	  .help = "Show the settings and where each comes from.",
	  .details =
		  "Of the API key only the beginning is shown; e2a config get api_key prints all of it.",
	  .run = run_list },
	{ .name = "config get",
	  .args = "<key>",
	  .args_min = 1,
	  .args_max = 1,
	  .help = "Print one setting.",
	  .details = "Keys: api_key, api_url, agent_email, shared_domain.",
	  .run = run_get,
	  .completes = COMPLETE_SETTING },
	{ .name = "config set",
	  .args = "<key> <value>",
	  .args_min = 2,
	  .args_max = 2,
	  .help = "Save one setting; \"\" forgets it.",
	  .details =
		  "Keys: api_key, api_url, agent_email, shared_domain. The file is ~/.e2a/config.json.",
	  .run = run_set,
	  .completes = COMPLETE_SETTING },
	{ 0 },
};
