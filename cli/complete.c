/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion from the tables of commands and options. What a server says gets into a command line
 * here, so nothing is offered that means something to a shell.
 */
#include "cli/complete.h"

#include "cli/commands.h"

enum { SILENCE_S = 2, OFFERS_MAX = 1000, WORD_MAX = 320 };

struct completion {
	struct cli *cli;
	struct slice typed; /* the beginning of the word */
	const char *before; /* what stands before it in an offer: "--agent=" */
};

static void offer(const struct completion *q, struct slice word)
{
	if (word.n > WORD_MAX || !slice_starts(word, q->typed) || !slice_only(word, "._%+-@:/_"))
		return;
	out_str(&q->cli->out, q->before);
	out_line(&q->cli->out, word);
	out_str(&q->cli->out, "\n");
}

/* ---- values ---- */

static void offer_choices(const struct completion *q, const char *choices)
{
	struct slice rest = slice_str(choices), choice;

	while (slice_cut(&rest, '|', &choice))
		offer(q, choice);
}

static void offer_agents(const struct completion *q)
{
	static const struct api_request list = { .path = "/api/v1/agents" };
	const struct config *config = &q->cli->config;
	AUTO(doc_freep) struct doc *answer = NULL;
	AUTO(api_freep) struct api *api = NULL;
	const struct doc *agents;

	if (config->value[CONFIG_API_KEY]) {
		api = api_new(&(struct api_options){ .base_url = config->value[CONFIG_API_URL],
						     .key = config->value[CONFIG_API_KEY],
						     .silence_s = SILENCE_S });
		if (api_json(api, &list, &answer, NULL))
			answer = NULL;
	}
	agents = doc_get(answer, "agents");
	for (size_t i = 0; i < doc_count(agents) && i < OFFERS_MAX; i++)
		offer(q, doc_text(doc_at(agents, i), "email"));
	if (!answer)
		offer(q, slice_str(config->value[CONFIG_AGENT_EMAIL]));
}

static void offer_of_kind(const struct completion *q, enum completes kind)
{
	switch (kind) {
	case COMPLETE_NOTHING:
		return;
	case COMPLETE_AGENT:
		offer_agents(q);
		return;
	case COMPLETE_FILE:
		out_str(&q->cli->out, COMPLETE_FILES "\n");
		return;
	case COMPLETE_SETTING:
		for (enum config_key i = 0; i < CONFIG_COUNT; i++)
			offer(q, slice_str(config_name(i)));
		return;
	}
}

static void offer_value(const struct completion *q, const struct option *o)
{
	if (o->choices)
		offer_choices(q, o->choices);
	else
		offer_of_kind(q, o->completes);
}

/* ---- words ---- */

static void offer_options(const struct completion *q, const struct option *table)
{
	char word[WORD_MAX];

	for (; table && table->name; table++) {
		snprintf(word, sizeof(word), "--%s", table->name);
		offer(q, slice_str(word));
	}
}

/* The word of the command's name that follows those that were typed, unless they are others. */
static struct slice next_word(const struct command *command, char **words, size_t n)
{
	struct slice rest = slice_str(command->name), word = S("");

	for (size_t i = 0; i <= n; i++)
		if (!slice_cut(&rest, ' ', &word) ||
		    (i < n && !slice_eq(word, slice_str(words[i]))))
			return S("");
	return word;
}

/* Each once: names that begin alike stand together. */
static void offer_commands(const struct completion *q, char **words, size_t n)
{
	const struct command *command;
	struct slice last = S("");

	for (size_t i = 0; (command = commands_at(i)); i++) {
		struct slice word = next_word(command, words, n);

		if (word.n && !slice_eq(word, last))
			offer(q, word);
		last = word.n ? word : last;
	}
}

static const struct option *option_named(const struct command *command, struct slice name)
{
	for (const struct option *o = command->options; o && o->name; o++)
		if (slice_eq(slice_str(o->name), name))
			return o;
	return NULL;
}

/* The option whose value the last of these words begins to wait for, or NULL. */
static const struct option *open_option(const struct command *command, char **words, size_t n,
					size_t *ret_args)
{
	const struct option *open = NULL;

	*ret_args = 0;
	for (size_t i = 0; i < n; i++) {
		struct slice word = slice_str(words[i]);

		if (open) {
			open = NULL;
			continue;
		}
		if (!slice_starts(word, S("--")))
			++*ret_args;
		else if ((open = option_named(command, slice_sub(word, 2, word.n))) &&
			 open->type == OPTION_FLAG)
			open = NULL;
	}
	return open;
}

/* --name=value in one word. */
static bool offer_joined(struct completion *q, const struct command *command)
{
	struct slice rest = q->typed, name;
	const struct option *o;

	if (!slice_starts(rest, S("--")) || slice_find(rest, '=') < 0)
		return false;
	slice_cut(&rest, '=', &name);
	o = option_named(command, slice_sub(name, 2, name.n));
	if (!o || o->type == OPTION_FLAG)
		return true;
	q->before = arena_printf(&q->cli->arena, "--%s=", o->name);
	q->typed = rest;
	offer_value(q, o);
	return true;
}

/* `words` stand behind the name of the command. */
static void complete_in(struct completion *q, const struct command *command, char **words, size_t n)
{
	size_t args;
	const struct option *open = open_option(command, words, n, &args);

	if (open) {
		offer_value(q, open);
		return;
	}
	if (offer_joined(q, command))
		return;
	if (slice_starts(q->typed, S("-"))) {
		offer_options(q, command->options);
		offer_options(q, common_options);
	} else if (args == 0) {
		offer_of_kind(q, command->completes);
	}
}

void complete(struct cli *c, char **words, size_t n)
{
	struct completion q = { .cli = c, .before = "" };
	const struct command *command;
	size_t at = 0, used;

	if (n == 0 || config_load(&c->config, NULL))
		return;
	q.typed = slice_str(words[--n]);
	while (at < n && slice_starts(slice_str(words[at]), S("-")))
		at++;
	command = commands_find(words + at, n - at, &used);
	offer_commands(&q, words + at, n - at);
	if (command)
		complete_in(&q, command, words + at + used, n - at - used);
	else if (slice_starts(q.typed, S("-")))
		offer_options(&q, common_options);
}
