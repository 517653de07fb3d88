/* SPDX-License-Identifier: Apache-2.0 */
/* Key files. A daemon must never start with a key missing that it needs. */
#include "common/base/keys.h"

#include "common/base/file.h"
#include "common/base/mem.h"

#include <sys/stat.h>

enum { KEY_FILE_MAX = 4096 };

/* Programs, as bits of key_rows.holders. */
enum { MILTER = 1, DELIVERD = 2, APID = 4 };

static const struct {
	const char *program;
	unsigned bit;
} programs[] = { { "milter", MILTER }, { "deliverd", DELIVERD }, { "apid", APID } };

static const struct {
	const char *name;  /* in the file */
	const char *label; /* HKDF info; never change one */
	unsigned holders;
} key_rows[KEY_COUNT] = {
	[KEY_SEAL] = { "seal", "e2a 1 verdict seal", MILTER | DELIVERD },
	[KEY_TICKET] = { "ticket", "e2a 1 outbound ticket", MILTER | DELIVERD },
	[KEY_SECRETS] = { "secrets", "e2a 1 secrets at rest", DELIVERD | APID },
	[KEY_CURSOR] = { "cursor", "e2a 1 page token", APID },
	[KEY_MAIL] = { "mail", "e2a 1 mail jobs", DELIVERD | APID },
	[KEY_SIGN_IN] = { "sign_in", "e2a 1 sign-in", APID },
	[KEY_APPROVAL] = { "approval", "e2a 1 approval", DELIVERD | APID },
};

static unsigned bit_of(const char *program)
{
	for (size_t i = 0; i < ARRAY_LEN(programs); i++)
		if (slice_eq(slice_str(program), slice_str(programs[i].program)))
			return programs[i].bit;
	abort(); /* no such program */
}

static void read_key(struct slice line, struct keys *k)
{
	struct slice name;

	if (!slice_cut(&line, '=', &name))
		return;
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (slice_eq(slice_trim(name), slice_str(key_rows[i].name)))
			k->has[i] = hex_decode(slice_trim(line), k->key[i], CRYPTO_KEY_LEN) == OK;
}

static enum err check_needed(const char *program, const char *path, const struct keys *k,
			     struct fail *fail)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if ((key_rows[i].holders & bit_of(program)) && !k->has[i])
			return fail_set(
				fail, ERR_CONFIG,
				"%.160s: key %s is missing or malformed; run e2a-admin keys", path,
				key_rows[i].name);
	return OK;
}

static enum err check_mode(const char *path, struct fail *fail)
{
	struct stat st;

	if (stat(path, &st))
		return OK; /* reading it will say why */
	if (st.st_mode & (S_IROTH | S_IWOTH))
		return fail_set(fail, ERR_CONFIG, "%.180s: may be read or written by everybody",
				path);
	return OK;
}

enum err keys_load(const char *program, const char *keys_dir, struct keys *ret, struct fail *fail)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	AUTO(buf_release) struct buf path = BUF_INIT(4096);
	AUTO(buf_release) struct buf text = BUF_INIT(KEY_FILE_MAX);
	struct keys k = { 0 };
	struct slice rest, line;
	enum err e;

	buf_addf(&path, "%s/%s.keys", credentials ? credentials : keys_dir, program);
	if (check_mode(buf_cstr(&path), fail) || file_read(buf_cstr(&path), &text, fail)) {
		if (fail)
			fail->code = ERR_CONFIG;
		return ERR_CONFIG;
	}
	rest = buf_slice(&text);
	while (slice_cut(&rest, '\n', &line))
		read_key(line, &k);
	crypto_wipe(text.p, text.len);
	e = check_needed(program, buf_cstr(&path), &k, fail);
	if (e == OK)
		*ret = k;
	keys_wipe(&k);
	return e;
}

void keys_derive(struct slice secret, struct keys *ret)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		crypto_hkdf(secret, slice_str(key_rows[i].label), ret->key[i]);
		ret->has[i] = true;
	}
}

void keys_print(const char *program, const struct keys *k, struct buf *ret)
{
	char hex[2 * CRYPTO_KEY_LEN + 1];

	buf_addf(ret, "# e2a keys 1 %s: derived by `e2a-admin keys`, do not edit\n", program);
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (!(key_rows[i].holders & bit_of(program)))
			continue;
		hex_text(k->key[i], CRYPTO_KEY_LEN, hex);
		buf_addf(ret, "%s = %s\n", key_rows[i].name, hex);
	}
	crypto_wipe(hex, sizeof(hex));
}

void keys_wipe(struct keys *k)
{
	crypto_wipe(k, sizeof(*k));
}

struct slice keys_get(const struct keys *k, enum key_name name)
{
	if (!k->has[name])
		abort(); /* a program asks for a key that is not its own */
	return slice_of((const char *)k->key[name], CRYPTO_KEY_LEN);
}
