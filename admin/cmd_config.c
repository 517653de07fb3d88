/* SPDX-License-Identifier: Apache-2.0 */
/* Prints settings in the form of the file. A secret's value must never appear. */
#include "admin/admin.h"

#include <unistd.h>

enum { PRINT_MAX = 1 << 20 };

static void print_row(const struct conf_row *row, const struct settings *s, bool changed_only,
		      struct buf *out)
{
	if (changed_only && conf_is_default(row, s))
		return;
	if (!changed_only)
		buf_addf(out, "# %s\n", row->help);
	conf_print(row, s, out);
}

enum err cmd_config(const struct settings *s, int argc, char **argv, struct fail *fail)
{
	AUTO(buf_release) struct buf out = BUF_INIT(PRINT_MAX);
	bool changed_only = false;
	int c;

	(void)fail;
	while ((c = getopt(argc, argv, "n")) == 'n')
		changed_only = true;
	if (c != -1 || optind != argc)
		return ERR_INPUT;
	for (const struct conf_row *row = settings_table; row->key; row++)
		print_row(row, s, changed_only, &out);
	fwrite(out.p, 1, out.len, stdout);
	return OK;
}
