/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deployment secret, from the environment or from its file, and the keys
 * that follow from it. It is read here and nowhere else, and never printed.
 */
#include "admin/admin.h"
#include "common/base/file.h"

#include <sys/stat.h>

enum { SECRET_MAX = 4096 };

static enum err read_secret(const char *path, struct buf *ret, struct fail *fail)
{
	struct stat st;

	if (stat(path, &st))
		return fail_set(fail, ERR_CONFIG,
				"%.120s: cannot be read; `openssl rand -hex 32` makes a secret",
				path);
	if (st.st_mode & (S_IROTH | S_IWOTH))
		return fail_set(fail, ERR_CONFIG, "%.180s: may be read or written by everybody",
				path);
	return file_read(path, ret, fail) ? ERR_CONFIG : OK;
}

enum err deployment_keys(const struct settings *s, struct keys *ret, struct fail *fail)
{
	AUTO(buf_release) struct buf text = BUF_INIT(SECRET_MAX);
	struct slice secret;
	enum err e = OK;

	if (*s->hmac_secret)
		buf_add_str(&text, s->hmac_secret);
	else
		e = read_secret(s->hmac_secret_file, &text, fail);
	secret = slice_trim(buf_slice(&text));
	if (e == OK)
		e = settings_check_secret(secret, fail);
	if (e == OK)
		keys_derive(secret, ret);
	if (text.p)
		crypto_wipe(text.p, text.len);
	return e;
}
