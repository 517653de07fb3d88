/* SPDX-License-Identifier: Apache-2.0 */
/* Files in a folder of their own: no half of a file, no rest of an attempt. */
#include "common/base/file.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/e2a-test-file.XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static size_t entries(void)
{
	DIR *d = opendir(folder);
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void what_is_no_regular_file_is_not_read(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(100);
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(file_read(in_folder("absent"), &b, &f), ERR_IO);
	assert_non_null(strstr(f.what, "absent: No such file"));
	assert_int_equal(file_read(folder, &b, &f), ERR_IO);
	assert_int_equal(file_read("/dev/zero", &b, &f), ERR_IO);
	assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
	assert_int_equal(file_read(in_folder("fifo"), &b, &f), ERR_IO); /* and does not wait */
	unlink(in_folder("fifo"));
}

static void reading_stops_at_the_ceiling(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(5);
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(file_replace(in_folder("a"), S("12345"), 0600, &f), OK);
	assert_int_equal(file_read(in_folder("a"), &b, &f), OK);
	buf_reset(&b);
	assert_int_equal(file_replace(in_folder("a"), S("123456"), 0600, &f), OK);
	assert_int_equal(file_read(in_folder("a"), &b, &f), ERR_TOO_BIG);
	assert_int_equal(f.code, ERR_TOO_BIG);
	unlink(in_folder("a"));
}

static void replacing_sets_content_and_mode(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(100);
	struct stat st;

	(void)state;
	umask(077);
	assert_int_equal(file_replace(in_folder("a"), S("old content"), 0600, NULL), OK);
	assert_int_equal(file_replace(in_folder("a"), S("n\0w"), 0644, NULL), OK);
	assert_int_equal(file_read(in_folder("a"), &b, NULL), OK);
	assert_slice(buf_slice(&b), S("n\0w"));
	assert_int_equal(stat(in_folder("a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(entries(), 1);
	unlink(in_folder("a"));
}

static void a_failed_replacement_leaves_nothing_behind(void **state)
{
	AUTO(buf_release) struct buf longest = BUF_INIT(10000);
	struct fail f = { 0 };

	(void)state;
	assert_int_equal(mkdir(in_folder("a"), 0700), 0);
	assert_int_equal(file_replace(in_folder("a"), S("x"), 0600, &f), ERR_IO);
	assert_int_equal(entries(), 1);
	rmdir(in_folder("a"));
	assert_int_equal(file_replace(in_folder("no/such"), S("x"), 0600, &f), ERR_IO);
	while (longest.len < 5000)
		buf_add_str(&longest, "/long");
	assert_int_equal(file_replace(buf_cstr(&longest), S("x"), 0600, &f), ERR_IO);
	assert_int_equal(entries(), 0);
}

static char shared[200]; /* one path for the two writers */

static void *write_often(void *arg)
{
	char text[20000];

	memset(text, *(char *)arg, sizeof(text));
	for (int i = 0; i < 50; i++)
		if (file_replace(shared, slice_of(text, sizeof(text)), 0600, NULL))
			return arg;
	return NULL;
}

static void writers_of_one_path_never_mix(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT(100000);
	char letters[] = "ab";
	pthread_t threads[2];
	void *failed;

	(void)state;
	snprintf(shared, sizeof(shared), "%s", in_folder("shared"));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_often, &letters[i]), 0);
	for (size_t i = 0; i < 2; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(file_read(shared, &b, NULL), OK);
	assert_int_equal(b.len, 20000);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(b.p[i], b.p[0]);
	assert_int_equal(entries(), 1);
	unlink(shared);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_regular_file_is_not_read),
		cmocka_unit_test(reading_stops_at_the_ceiling),
		cmocka_unit_test(replacing_sets_content_and_mode),
		cmocka_unit_test(a_failed_replacement_leaves_nothing_behind),
		cmocka_unit_test(writers_of_one_path_never_mix),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
