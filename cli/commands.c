/* SPDX-License-Identifier: Apache-2.0 */
/* The list of commands. One that is not in it does not exist, for the parser, help and shell. */
#include "cli/commands.h"

#include "cli/cli.h"

/* In the order of `e2a --help`. */
static const struct command *const groups[] = {
	login_commands, agents_commands,  inbox_commands,   read_commands,   listen_commands,
	send_commands,  pending_commands, domains_commands, config_commands,
};

const struct command *commands_at(size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		for (const struct command *c = groups[i]; c->name; c++)
			if (n-- == 0)
				return c;
	return NULL;
}

struct slice commands_group(const struct command *c)
{
	struct slice rest = slice_str(c->name), first = S("");

	slice_cut(&rest, ' ', &first);
	return first;
}

bool commands_is_group(struct slice word)
{
	const struct command *c;

	for (size_t i = 0; (c = commands_at(i)); i++)
		if (slice_eq(commands_group(c), word) && strchr(c->name, ' '))
			return true;
	return false;
}

/* Does the name consist of the first words of argv? Then how many they are. */
static size_t match(const struct command *c, char **argv, size_t n)
{
	struct slice rest = slice_str(c->name), word;
	size_t words = 0;

	while (slice_cut(&rest, ' ', &word)) {
		if (words == n || !slice_eq(word, slice_str(argv[words])))
			return 0;
		words++;
	}
	return words;
}

const struct command *commands_find(char **argv, size_t n, size_t *ret_words)
{
	const struct command *best = NULL, *c;

	*ret_words = 0;
	for (size_t i = 0; (c = commands_at(i)); i++) {
		size_t words = match(c, argv, n);

		if (words > *ret_words) {
			best = c;
			*ret_words = words;
		}
	}
	return best;
}
