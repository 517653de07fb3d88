/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes one key file per daemon. Each is 0600, or 0640 for the group that is
 * named, and is replaced as a whole.
 */
#include "admin/admin.h"
#include "common/base/file.h"

#include <errno.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_FILE_MAX = 4096, NO_GROUP = -1 };

static const char *const programs[] = { "milter", "deliverd", "apid" };

static enum err os_fail(struct fail *fail, const char *path)
{
	return fail_set(fail, ERR_IO, "%.180s: %s", path, strerror(errno));
}

/* Readable for root only until the group is the right one. */
static enum err write_file(const char *path, struct slice text, gid_t group, struct fail *fail)
{
	enum err e = file_replace(path, text, 0600, fail);

	if (e || group == (gid_t)NO_GROUP)
		return e;
	return chown(path, (uid_t)-1, group) || chmod(path, 0640) ? os_fail(fail, path) : OK;
}

static enum err write_keys(const char *dir, const char *program, const struct keys *k, gid_t group,
			   struct fail *fail)
{
	AUTO(buf_release) struct buf path = BUF_INIT(4096);
	AUTO(buf_release) struct buf text = BUF_INIT(KEY_FILE_MAX);
	enum err e;

	buf_addf(&path, "%s/%s.keys", dir, program);
	keys_print(program, k, &text);
	e = write_file(buf_cstr(&path), buf_slice(&text), group, fail);
	crypto_wipe(text.p, text.len);
	if (e == OK)
		printf("wrote %s\n", buf_cstr(&path));
	return e;
}

static enum err read_options(int argc, char **argv, gid_t *ret_group, struct fail *fail)
{
	const struct group *g;
	int c;

	while ((c = getopt(argc, argv, "g:")) == 'g') {
		g = getgrnam(optarg);
		if (!g)
			return fail_set(fail, ERR_CONFIG, "no group %.100s", optarg);
		*ret_group = g->gr_gid;
	}
	return c == -1 && optind == argc ? OK : ERR_INPUT;
}

enum err cmd_keys(const struct settings *s, int argc, char **argv, struct fail *fail)
{
	gid_t group = (gid_t)NO_GROUP;
	struct keys k = { 0 };
	enum err e = read_options(argc, argv, &group, fail);

	if (e || (e = deployment_keys(s, &k, fail)))
		return e;
	if (mkdir(s->keys_dir, 0711) && errno != EEXIST)
		e = os_fail(fail, s->keys_dir);
	for (size_t i = 0; e == OK && i < ARRAY_LEN(programs); i++)
		e = write_keys(s->keys_dir, programs[i], &k, group, fail);
	keys_wipe(&k);
	return e;
}
