/* SPDX-License-Identifier: Apache-2.0 */
/* e2a agents: list, register, update, delete. */
#include "cli/cli.h"

#define AGENTS "/api/v1/agents"

enum { HITL_TTL_MAX = 604800, BODY_MAX = 64 * 1024 };

/* The path of the agent that the first argument names. */
static enum err agent_path(struct cli *c, const char **ret_email, const char **ret_path,
			   struct fail *fail)
{
	enum err e = cli_agent_named(c, c->args[0], ret_email, fail);

	if (e == OK)
		*ret_path = api_path(&c->arena, AGENTS "/%s", *ret_email);
	return e;
}

/* ---- list ---- */

static void print_agent(struct out *o, const struct doc *agent, struct slice active)
{
	struct slice email = doc_text(agent, "email");

	out_line(o, email);
	out_str(o, "  ");
	out_line(o, doc_text(agent, "agent_mode"));
	out_str(o, email.n && slice_ieq(email, active) ? " (active)\n" : "\n");
}

/* A key of one agent reaches no list; what it does reach is the agent that came with it. */
static enum err list_own(struct cli *c, struct doc **ret, struct fail *fail)
{
	const char *email = c->config.value[CONFIG_AGENT_EMAIL];
	struct doc *own = NULL, *list;
	struct api_request q = { 0 };
	enum err e;

	if (!email)
		return fail->code;
	q.path = api_path(&c->arena, AGENTS "/%s", email);
	e = cli_call(c, &q, &own, fail);
	if (e)
		return e;
	list = doc_array();
	if (own)
		doc_add(list, own);
	*ret = doc_object();
	doc_set(*ret, "agents", list);
	return OK;
}

static enum err run_list(struct cli *c, struct fail *fail)
{
	AUTO(doc_freep) struct doc *answer = NULL;
	const struct doc *agents;
	enum err e = cli_call(c, &(struct api_request){ .path = AGENTS }, &answer, fail);

	if (e == ERR_NOT_FOUND)
		e = list_own(c, &answer, fail);
	if (e)
		return e;
	agents = doc_get(answer, "agents");
	if (c->json)
		out_doc(&c->out, answer, DOC_PRETTY);
	else if (doc_count(agents) == 0)
		out_str(&c->out, "No agents.\n");
	for (size_t i = 0; !c->json && i < doc_count(agents); i++)
		print_agent(&c->out, doc_at(agents, i),
			    slice_str(c->config.value[CONFIG_AGENT_EMAIL]));
	return OK;
}

/* ---- register ---- */

struct register_options {
	const char *name;
};

static const struct option register_options[] = {
	{ .name = "name",
	  .value = "NAME",
	  .type = OPTION_TEXT,
	  .offset = offsetof(struct register_options, name),
	  .help = "what people see beside the address" },
	{ 0 },
};

static void write_new_agent(const struct cli *c, struct buf *ret)
{
	const struct register_options *o = c->options;
	struct slice slug = slice_str(c->args[0]);
	struct jsonw w;

	jsonw_init(&w, ret);
	jsonw_object(&w);
	jsonw_key_text(&w, slice_find(slug, '@') < 0 ? "slug" : "email", slug);
	if (o->name)
		jsonw_key_text(&w, "name", slice_str(o->name));
	jsonw_key_text(&w, "agent_mode", S("local"));
	jsonw_object_end(&w);
}

static enum err run_register(struct cli *c, struct fail *fail)
{
	AUTO(buf_release) struct buf body = BUF_INIT(BODY_MAX);
	AUTO(doc_freep) struct doc *answer = NULL;
	struct config_change change = { .key = CONFIG_AGENT_EMAIL };
	struct slice email;
	enum err e;

	write_new_agent(c, &body);
	if (buf_check(&body))
		return cli_usage(c, fail, "the name is too long");
	e = cli_call(c,
		     &(struct api_request){ .method = "POST",
					    .path = AGENTS,
					    .body = buf_slice(&body),
					    .creates = true },
		     &answer, fail);
	if (e)
		return e;
	email = doc_text(answer, "email");
	if (email.n == 0)
		return fail_set(fail, ERR_INPUT, "the server does not say which agent it made");
	if (c->json)
		out_doc(&c->out, answer, DOC_PRETTY);
	else
		out_field(&c->out, "Registered:", email);
	change.value = arena_dup(&c->arena, email);
	return config_change(&c->config, &change, 1, fail);
}

/* ---- update ---- */

struct update_options {
	bool hitl, no_hitl;
	struct option_number hitl_ttl;
	const char *hitl_action, *webhook_url;
};

#define UPDATE(field) .offset = offsetof(struct update_options, field)

static const struct option update_options[] = {
	{ .name = "hitl",
	  .type = OPTION_FLAG,
	  UPDATE(hitl),
	  .excludes = "no-hitl",
	  .help = "mail of the agent waits for a person" },
	{ .name = "no-hitl", .type = OPTION_FLAG, UPDATE(no_hitl), .help = "it leaves at once" },
	{ .name = "hitl-ttl",
	  .value = "SECONDS",
	  .type = OPTION_NUMBER,
	  UPDATE(hitl_ttl),
	  .min = 1,
	  .max = HITL_TTL_MAX,
	  .help = "how long it waits" },
	{ .name = "hitl-expiration-action",
	  .value = "approve|reject",
	  .type = OPTION_TEXT,
	  UPDATE(hitl_action),
	  .choices = "approve|reject",
	  .help = "what happens when nobody decided" },
	{ .name = "webhook-url",
	  .value = "URL",
	  .type = OPTION_TEXT,
	  UPDATE(webhook_url),
	  .help = "where the agent is called; \"\" for nowhere" },
	{ 0 },
};

static bool write_changes(const struct update_options *o, struct buf *ret)
{
	struct jsonw w;

	jsonw_init(&w, ret);
	jsonw_object(&w);
	if (o->hitl || o->no_hitl)
		jsonw_key_bool(&w, "hitl_enabled", o->hitl);
	if (o->hitl_ttl.given)
		jsonw_key_int(&w, "hitl_ttl_seconds", o->hitl_ttl.v);
	if (o->hitl_action)
		jsonw_key_text(&w, "hitl_expiration_action", slice_str(o->hitl_action));
	if (o->webhook_url)
		jsonw_key_text(&w, "webhook_url", slice_str(o->webhook_url));
	jsonw_object_end(&w);
	return !slice_eq(buf_slice(ret), S("{}"));
}

static void print_settings(struct out *o, const struct doc *agent)
{
	struct slice webhook = doc_text(agent, "webhook_url");

	out_field(o, "Agent:            ", doc_text(agent, "email"));
	out_field(o, "Name:             ", doc_text(agent, "name"));
	out_field(o, "Mode:             ", doc_text(agent, "agent_mode"));
	out_field(o, "Webhook:          ", webhook.n ? webhook : S("none"));
	out_field(o, "Human in the loop:", doc_bool(agent, "hitl_enabled") ? S("on") : S("off"));
	out_strf(o, "Mail waits:        %lld s\n", (long long)doc_int(agent, "hitl_ttl_seconds"));
	out_field(o, "Then:             ", doc_text(agent, "hitl_expiration_action"));
}

static enum err run_update(struct cli *c, struct fail *fail)
{
	AUTO(buf_release) struct buf body = BUF_INIT(BODY_MAX);
	AUTO(doc_freep) struct doc *answer = NULL;
	struct api_request q = { .method = "PUT" };
	const char *email;
	enum err e;

	if (!write_changes(c->options, &body))
		return cli_usage(c, fail, "nothing to change was given");
	if ((e = buf_check(&body)) || (e = agent_path(c, &email, &q.path, fail)))
		return e;
	q.body = buf_slice(&body);
	e = cli_call(c, &q, &answer, fail);
	if (e)
		return e;
	if (c->json)
		out_doc(&c->out, answer, DOC_PRETTY);
	else
		print_settings(&c->out, answer);
	return OK;
}

/* ---- delete ---- */

/* Who deletes the agent that is active has none that is. */
static enum err forget(struct cli *c, const char *email, struct fail *fail)
{
	const struct config_change change = { .key = CONFIG_AGENT_EMAIL };
	struct slice active = doc_text(c->config.file, config_name(CONFIG_AGENT_EMAIL));

	return slice_ieq(active, slice_str(email)) ? config_change(&c->config, &change, 1, fail)
						   : OK;
}

static enum err run_delete(struct cli *c, struct fail *fail)
{
	struct api_request q = { .method = "DELETE" };
	const char *email;
	enum err e = agent_path(c, &email, &q.path, fail);

	if (e || (e = cli_done(c, &q, "Deleted:", "deleted", email, fail)))
		return e;
	return forget(c, email, fail);
}

const struct command agents_commands[] = {
	{ .name = "agents list",
	  .args = "",
	  .help = "List your agents.",
	  .details = "With a key of one agent that one, if it is the active one.",
	  .run = run_list },
	{ .name = "agents register",
	  .args = "<slug>",
	  .args_min = 1,
	  .args_max = 1,
	  .help = "Make an agent and act as it from now on.",
	  .details =
		  "The agent gets the address <slug>@<shared domain>; give a whole address for one on a\n"
		  "domain of your own. It is told of mail by WebSocket: see e2a listen.",
	  .run = run_register,
	  .options = register_options,
	  .options_size = sizeof(struct register_options) },
	{ .name = "agents update",
	  .args = "<email-or-slug>",
	  .args_min = 1,
	  .args_max = 1,
	  .help = "Change settings of an agent.",
	  .details = "Only what is given is changed. The settings that result are printed.",
	  .run = run_update,
	  .options = update_options,
	  .options_size = sizeof(struct update_options),
	  .completes = COMPLETE_AGENT },
	{ .name = "agents delete",
	  .args = "<email-or-slug>",
	  .args_min = 1,
	  .args_max = 1,
	  .help = "Delete an agent with its mail.",
	  .run = run_delete,
	  .completes = COMPLETE_AGENT },
	{ 0 },
};
