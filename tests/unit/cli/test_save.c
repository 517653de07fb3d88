/* SPDX-License-Identifier: Apache-2.0 */
/* Names for attachments that mean harm, and files that are there already. */
#include "cli/save.h"

#include "common/base/file.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void names_are_harmless(void **state)
{
	static const struct {
		const char *filename, *type;
		unsigned attempt;
		const char *want;
	} rows[] = {
		{ "a.pdf", "application/pdf", 1, "a.pdf" },
		{ "a.pdf", "application/pdf", 2, "a-2.pdf" },
		{ "a.tar.gz", "", 12, "a.tar-12.gz" },
		{ "none", "", 3, "none-3" },
		{ "", "image/png", 1, "attachment-7.png" },
		{ "", "x/y", 2, "attachment-7-2" },
		{ "..", "", 1, "attachment-7" },
		{ "../../etc/passwd", "", 1, "_.._etc_passwd" },
		{ "/etc/passwd", "", 1, "_etc_passwd" },
		{ "C:\\x.exe", "", 1, "C__x.exe" },
		{ ".bashrc", "", 1, "bashrc" },
		{ "-rf", "", 1, "_-rf" },
		{ "con", "", 1, "_con" },
		{ "NUL.txt", "", 1, "_NUL.txt" },
		{ "com1.tar.gz", "", 1, "_com1.tar.gz" },
		{ "Lpt9 .x", "", 1, "_Lpt9 .x" },
		{ "com", "", 1, "com" },
		{ "com10", "", 1, "com10" },
		{ "con1", "", 1, "con1" },
		{ "console.txt", "", 1, "console.txt" },
		{ "\xe2\x80\xaegpj.exe", "", 1, "gpj.exe" },
		{ "a\x1b[31m\n.txt", "", 1, "a[31m.txt" },
	};
	AUTO(arena_release) struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice_row(
			slice_str(save_name(slice_str(rows[i].filename), slice_str(rows[i].type), 7,
					    rows[i].attempt, &a)),
			slice_str(rows[i].want), i);
}

static void long_names_keep_their_end(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice name = S(A50 A50 A50 A50 A50 ".pdf");
	const char *got = save_name(name, S(""), 1, 10000, &a);

	(void)state;
	assert_int_equal(strlen(got), 255);
	assert_true(slice_ends(slice_str(got), S("a-10000.pdf")));
	/* cut between characters */
	got = save_name(S(A50 A50 A50 A50 A50 "a\xc3\xbc.p"), S(""), 1, 2, &a);
	assert_true(slice_ends(slice_str(got), S("a-2.p")) && strlen(got) <= 255);
}

static char *new_folder(void)
{
	char path[] = "/tmp/e2a-test-save-XXXXXX";

	assert_non_null(mkdtemp(path));
	return mem_strdup(path);
}

static void remove_folder(const char *path)
{
	DIR *d = opendir(path);

	assert_non_null(d);
	for (struct dirent *entry; (entry = readdir(d));)
		if (*entry->d_name != '.')
			assert_int_equal(unlinkat(dirfd(d), entry->d_name, 0), 0);
	closedir(d);
	assert_int_equal(rmdir(path), 0);
}

static void content_is(const struct save_folder *f, const char *name, const char *want)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf b = BUF_INIT(1000);

	assert_int_equal(file_read(arena_printf(&a, "%s/%s", f->path, name), &b, NULL), OK);
	assert_slice(buf_slice(&b), slice_str(want));
}

static void what_is_there_stays(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(mem_freep) char *path = new_folder();
	AUTO(save_close) struct save_folder f = { .path = NULL };
	struct fail fail;
	struct mail m;
	const char *name;
	struct stat st;
	int fd;

	(void)state;
	mail_read(S("Content-Type: text/x; name=a.txt\r\n\r\nnew"), &a, &m);
	assert_int_equal(m.tree.n, 1);
	assert_int_equal(save_open(path, &f, &fail), OK);
	fd = openat(f.fd, "a.txt", O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "old", 3), 3);
	close(fd);
	assert_int_equal(symlinkat("elsewhere", f.fd, "a-2.txt"), 0); /* leads nowhere yet */
	assert_int_equal(mkdirat(f.fd, "a-3.txt", 0700), 0);
	assert_int_equal(save_part(&f, &m, m.tree.v, 1, &a, &name, &fail), OK);
	assert_string_equal(name, "a-4.txt");
	content_is(&f, "a-4.txt", "new");
	content_is(&f, "a.txt", "old");
	assert_int_equal(fstatat(f.fd, "elsewhere", &st, 0), -1);
	assert_int_equal(fstatat(f.fd, "a-4.txt", &st, 0), 0);
	assert_int_equal(st.st_mode & 0111, 0);
	assert_int_equal(unlinkat(f.fd, "a-3.txt", AT_REMOVEDIR), 0);
	remove_folder(path);
}

static void folders_are_made_or_refused(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(mem_freep) char *path = new_folder();
	struct save_folder f = { .path = NULL };
	const char *inner = arena_printf(&a, "%s/new", path);
	struct fail fail;

	(void)state;
	assert_int_equal(save_open(inner, &f, &fail), OK);
	save_close(&f);
	assert_int_equal(rmdir(inner), 0);
	assert_int_equal(save_open("/dev/null", &f, &fail), ERR_IO);
	assert_string_equal(fail.what, "/dev/null: Not a directory");
	assert_int_equal(save_open(arena_printf(&a, "%s/no/new", path), &f, &fail), ERR_IO);
	remove_folder(path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_harmless),
		cmocka_unit_test(long_names_keep_their_end),
		cmocka_unit_test(what_is_there_stays),
		cmocka_unit_test(folders_are_made_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
