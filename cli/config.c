/* SPDX-License-Identifier: Apache-2.0 */
/* The config file. It must never be replaced by less than it held. */
#include "cli/config.h"

#include "common/base/apikey.h"
#include "common/base/file.h"
#include "common/base/weburl.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, VALUE_MAX = 2048, PATH_BYTES_MAX = 4096 };

typedef enum err check_fn(struct slice value, struct fail *fail);

static check_fn check_key, check_agent, check_domain;

static const struct config_row {
	const char *name, *env;
	bool file_first; /* the file wins over the environment */
	const char *fallback;
	check_fn *check;
} rows[CONFIG_COUNT] = {
	[CONFIG_API_KEY] = { "api_key", "E2A_API_KEY", .check = check_key },
	[CONFIG_API_URL] = { "api_url", "E2A_URL", .fallback = "https://e2a.dev",
			     .check = config_check_url },
	[CONFIG_AGENT_EMAIL] = { "agent_email", "E2A_AGENT_EMAIL", .file_first = true,
				 .check = check_agent },
	[CONFIG_SHARED_DOMAIN] = { "shared_domain", "E2A_SHARED_DOMAIN", .check = check_domain },
};

/* ---- values ---- */

/* It goes into a header, so it is one visible word. */
static enum err check_key(struct slice value, struct fail *fail)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] <= ' ' || value.p[i] > '~')
			return fail_set(fail, ERR_INPUT,
					"an API key has no blanks and no "
					"characters beyond ASCII");
	return value.n <= VALUE_MAX ? OK : fail_set(fail, ERR_INPUT, "an API key is shorter");
}

static enum err check_agent(struct slice value, struct fail *fail)
{
	if (value.n > VALUE_MAX || slice_has_ctl(value) || slice_find(value, '@') < 1)
		return fail_set(fail, ERR_INPUT, "an agent's address is like bot@example.com");
	return OK;
}

static enum err check_domain(struct slice value, struct fail *fail)
{
	if (value.n > VALUE_MAX || slice_has_ctl(value) || slice_find(value, '@') >= 0 ||
	    slice_find(value, ' ') >= 0)
		return fail_set(fail, ERR_INPUT, "a domain is like agents.example.com");
	return OK;
}

enum err config_check_url(struct slice text, struct fail *fail)
{
	struct weburl u;

	if (weburl_parse(text, &u, NULL))
		return fail_set(fail, ERR_INPUT, "a base URL is like https://e2a.example.com");
	if (slice_find(text, '?') >= 0 || slice_find(text, '#') >= 0)
		return fail_set(fail, ERR_INPUT, "a base URL has no query and no fragment");
	return OK;
}

const char *config_name(enum config_key key)
{
	return rows[key].name;
}

enum err config_key_named(struct slice name, enum config_key *ret)
{
	for (size_t i = 0; i < CONFIG_COUNT; i++)
		if (slice_eq(name, slice_str(rows[i].name))) {
			*ret = (enum config_key)i;
			return OK;
		}
	return ERR_INPUT;
}

/* ---- reading ---- */

static const char *home(void)
{
	const char *path = getenv("HOME");
	const struct passwd *user;

	if (path && *path)
		return path;
	user = getpwuid(getuid());
	return user && user->pw_dir && *user->pw_dir ? user->pw_dir : NULL;
}

static char *path_of_file(void)
{
	AUTO(buf_release) struct buf b = BUF_INIT(PATH_BYTES_MAX);
	const char *folder = home();

	if (!folder)
		return NULL;
	buf_addf(&b, "%s/.e2a/config.json", folder);
	return buf_failed(&b) ? NULL : buf_take(&b);
}

/* *ret stays NULL when there is no file. */
static enum err read_file(const char *path, struct doc **ret, struct fail *fail)
{
	AUTO(buf_release) struct buf text = BUF_INIT(FILE_MAX);
	AUTO(doc_freep) struct doc *d = NULL;
	struct fail why = { 0 };

	if (!path || (access(path, F_OK) && (errno == ENOENT || errno == ENOTDIR)))
		return OK;
	if (file_read(path, &text, &why))
		return fail_set(fail, ERR_CONFIG, "%s", why.what);
	if (doc_parse(buf_slice(&text), &d) || !doc_is_object(d))
		return fail_set(fail, ERR_CONFIG,
				"%.180s is not a JSON object; correct or remove it", path);
	*ret = TAKE(d);
	return OK;
}

static const char *value_in_env(const struct config_row *row)
{
	const char *value = getenv(row->env);

	return value && *value ? value : NULL;
}

const char *config_env(enum config_key key)
{
	return rows[key].env;
}

bool config_env_wins(enum config_key key)
{
	return !rows[key].file_first && value_in_env(&rows[key]);
}

/* The member of the file, NULL when it is absent or empty. */
static enum err value_in_file(const struct config *c, const struct config_row *row,
			      const char **ret, struct fail *fail)
{
	const struct doc *member = doc_get(c->file, row->name);
	struct slice text = doc_value_text(member);

	*ret = NULL;
	if (member && !doc_is_null(member) && (!doc_is_text(member) || memchr(text.p, 0, text.n)))
		return fail_set(fail, ERR_CONFIG, "%.150s: %s is not a text", c->path, row->name);
	if (text.n)
		*ret = text.p; /* jansson's strings end with NUL */
	return OK;
}

/* Fills value and origin of one key. */
static enum err look_up(struct config *c, size_t i, struct fail *fail)
{
	const struct config_row *row = &rows[i];
	const char *in_file, *in_env = value_in_env(row);
	enum err e = value_in_file(c, row, &in_file, fail);
	struct fail why = { 0 };
	bool file_wins = in_file && (row->file_first || !in_env);

	if (e)
		return e;
	c->value[i] = file_wins ? in_file : in_env ? in_env : row->fallback;
	c->origin[i] = file_wins       ? "file"
		       : in_env        ? "environment"
		       : row->fallback ? "default"
				       : NULL;
	if (c->value[i] && row->check(slice_str(c->value[i]), &why))
		return fail_set(fail, ERR_CONFIG, "%s in %.120s: %s",
				file_wins ? row->name : row->env,
				file_wins ? c->path : "the environment", why.what);
	return OK;
}

enum err config_load(struct config *ret, struct fail *fail)
{
	enum err e;

	*ret = (struct config){ .path = path_of_file() };
	e = read_file(ret->path, &ret->file, fail);
	for (size_t i = 0; e == OK && i < CONFIG_COUNT; i++)
		e = look_up(ret, i, fail);
	return e;
}

void config_release(struct config *c)
{
	free(c->path);
	doc_free(c->file);
	*c = (struct config){ 0 };
}

/* ---- writing ---- */

static void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Where the file really is: a link to it stays one. *ret is free(3)d by the caller. */
static char *real_path(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : mem_strdup(path);
}

/* The folder of the file, made if need be and locked until it is closed. */
static enum err lock_folder(const char *path, int *ret, struct fail *fail)
{
	AUTO(mem_freep) char *copy = mem_strdup(path);
	const char *folder = dirname(copy);
	int fd;

	if (mkdir(folder, 0700) && errno != EEXIST)
		return fail_set(fail, ERR_IO, "cannot make %.180s: %s", folder, strerror(errno));
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail_set(fail, ERR_IO, "%.180s: %s", folder, strerror(errno));
	if (flock(fd, LOCK_EX)) { /* some file systems have no locks; then the last one stands */
	}
	*ret = fd;
	return OK;
}

static enum err apply(struct doc *d, const struct config_change *change, struct fail *fail)
{
	const struct config_row *row = &rows[change->key];
	enum err e;

	if (!change->value || !*change->value ||
	    (row->fallback && slice_eq(slice_str(row->fallback), slice_str(change->value)))) {
		doc_remove(d, row->name);
		return OK;
	}
	e = row->check(slice_str(change->value), fail);
	if (e == OK)
		doc_set_text(d, row->name, slice_str(change->value));
	return e;
}

static enum err write_file(const char *path, const struct doc *d, struct fail *fail)
{
	AUTO(buf_release) struct buf text = BUF_INIT(2 * FILE_MAX);

	doc_write(d, DOC_PRETTY, &text);
	buf_add_char(&text, '\n');
	return file_replace(path, buf_slice(&text), 0600, fail);
}

/* Where nothing is to be changed: could it be? */
static enum err may_write(const char *path, struct fail *fail)
{
	AUTO(mem_freep) char *copy = mem_strdup(path);
	const char *folder = dirname(copy);

	return access(folder, W_OK) ? fail_set(fail, ERR_IO, "%.180s: %s", folder, strerror(errno))
				    : OK;
}

enum err config_change(struct config *c, const struct config_change *changes, size_t n,
		       struct fail *fail)
{
	AUTO(mem_freep) char *path = NULL;
	AUTO(doc_freep) struct doc *d = NULL;
	AUTO(closep) int lock = -1;
	enum err e;

	if (!c->path)
		return fail_set(fail, ERR_CONFIG, "there is no home directory to write to");
	e = lock_folder(c->path, &lock, fail);
	if (e)
		return e;
	path = real_path(c->path);
	e = read_file(path, &d, fail);
	if (e == OK && !d)
		d = doc_object();
	for (size_t i = 0; e == OK && i < n; i++)
		e = apply(d, &changes[i], fail);
	if (e)
		return e;
	return n ? write_file(path, d, fail) : may_write(c->path, fail);
}
