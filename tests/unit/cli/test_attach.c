/* SPDX-License-Identifier: Apache-2.0 */
/* Files and texts for a mail, read from wherever the user says. */
#include "cli/attach.h"

#include "common/base/mem.h"
#include "tests/unit/test.h"

#include <sys/stat.h>
#include <unistd.h>

struct folder {
	char path[40];
	struct arena arena;
};

static int set_up(void **state)
{
	struct folder *f = mem_zalloc(sizeof(*f));

	memcpy(f->path, "/tmp/e2a-test-attach-XXXXXX", 28);
	assert_non_null(mkdtemp(f->path));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct folder *f = *state;

	assert_int_equal(rmdir(f->path), 0);
	arena_release(&f->arena);
	free(f);
	return 0;
}

static const char *make(struct folder *f, const char *name, struct slice content)
{
	const char *path = arena_printf(&f->arena, "%s/%s", f->path, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(content.p, 1, content.n, file), content.n);
	assert_int_equal(fclose(file), 0);
	return path;
}

static void files_become_json(void **state)
{
	struct folder *f = *state;
	const char *paths[] = { make(f, "a.pdf", S("\0\1\2\377")), make(f, "b \"c\"", S("")) };
	AUTO(buf_release) struct buf out = BUF_INIT(1000);
	AUTO(attach_close) struct attach_files files = { 0 };
	struct fail fail = { 0 };
	struct jsonw w;

	assert_int_equal(attach_open(paths, 2, 0, &f->arena, &files, &fail), OK);
	jsonw_init(&w, &out);
	assert_int_equal(attach_write(&files, &w, &fail), OK);
	assert_slice(buf_slice(&out),
		     S("[{\"filename\":\"a.pdf\",\"content_type\":\"application/pdf\","
		       "\"data\":\"AAEC/w==\"},{\"filename\":\"b \\\"c\\\"\","
		       "\"content_type\":\"application/octet-stream\",\"data\":\"\"}]"));
	unlink(paths[0]);
	unlink(paths[1]);
}

static void too_much_is_said_before_anything_is_read(void **state)
{
	struct folder *f = *state;
	const char *path = make(f, "large", S(""));
	const char *paths[] = { path, path, path };
	struct attach_files files;
	struct fail fail = { 0 };

	assert_int_equal(truncate(path, ATTACH_REQUEST_MAX / 4), 0);
	assert_int_equal(attach_open(paths, 2, 0, &f->arena, &files, &fail), OK);
	attach_close(&files);
	assert_int_equal(attach_open(paths, 3, 0, &f->arena, &files, &fail), ERR_TOO_BIG);
	attach_close(&files);
	assert_int_equal(attach_open(paths, 2, ATTACH_REQUEST_MAX / 2, &f->arena, &files, &fail),
			 ERR_TOO_BIG);
	attach_close(&files);
	assert_int_equal(truncate(path, (off_t)1 << 40), 0);
	assert_int_equal(attach_open(paths, 3, 0, &f->arena, &files, &fail), ERR_TOO_BIG);
	attach_close(&files);
	unlink(path);
}

/* Its size was looked at, and then it grew. */
static void a_file_that_grows_is_stopped(void **state)
{
	struct folder *f = *state;
	const char *path = make(f, "log", S("x"));
	AUTO(buf_release) struct buf out = BUF_INIT(10000);
	AUTO(attach_close) struct attach_files files = { 0 };
	struct fail fail = { 0 };
	struct jsonw w;

	assert_int_equal(attach_open(&path, 1, 0, &f->arena, &files, &fail), OK);
	assert_int_equal(truncate(path, 1 << 20), 0);
	jsonw_init(&w, &out);
	assert_int_equal(attach_write(&files, &w, &fail), ERR_TOO_BIG);
	unlink(path);
}

static void what_is_no_file_is_named(void **state)
{
	struct folder *f = *state;
	const char *fifo = arena_printf(&f->arena, "%s/fifo", f->path);
	const char *paths[] = { fifo, "/dev/zero", f->path, "/no/such" };

	assert_int_equal(mkfifo(fifo, 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct attach_files files;
		struct fail fail = { 0 };

		assert_row(i, attach_open(&paths[i], 1, 0, &f->arena, &files, &fail) == ERR_IO);
		assert_row(i, slice_starts(slice_str(fail.what), slice_str(paths[i])));
		attach_close(&files);
	}
	unlink(fifo);
}

/* A server would make something else of it. */
static void a_name_that_is_not_utf8_is_refused(void **state)
{
	struct folder *f = *state;
	const char *path = make(f, "a\xff.txt", S("x"));
	AUTO(attach_close) struct attach_files files = { 0 };
	struct fail fail = { 0 };

	assert_int_equal(attach_open(&path, 1, 0, &f->arena, &files, &fail), ERR_INPUT);
	assert_true(slice_ends(slice_str(fail.what), S(".txt: its name is not UTF-8")));
	unlink(path);
}

static void texts_are_utf8(void **state)
{
	static const struct {
		struct slice content;
		enum err want;
	} rows[] = {
		{ SLICE_INIT("Gr\xc3\xbc\xc3\x9f"
			     "e\r\n"),
		  OK },
		{ SLICE_INIT(""), OK },
		{ SLICE_INIT("Gr\xfc"), ERR_INPUT },
		{ SLICE_INIT("a\0b"), ERR_INPUT },
		{ SLICE_INIT("more than fits into it"), ERR_TOO_BIG },
	};
	struct folder *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT(20);
		struct fail fail = { 0 };
		const char *path = make(f, "text", rows[i].content);

		assert_row(i, attach_text(path, &text, &fail) == rows[i].want);
		if (rows[i].want == OK)
			assert_slice_row(buf_slice(&text), rows[i].content, i);
		unlink(path);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_become_json),
		cmocka_unit_test(too_much_is_said_before_anything_is_read),
		cmocka_unit_test(a_file_that_grows_is_stopped),
		cmocka_unit_test(what_is_no_file_is_named),
		cmocka_unit_test(a_name_that_is_not_utf8_is_refused),
		cmocka_unit_test(texts_are_utf8),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
