/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of mails, fed whole and byte by byte, with broken and hostile structure. */
#include "common/mail/mime_tree.h"

#include "common/mail/mime.h"
#include "tests/unit/test.h"

#define MULTI(kind, b) "Content-Type: multipart/" kind "; boundary=" b "\r\n\r\n"

static int ready(void **state)
{
	(void)state;
	mime_init();
	return 0;
}

static void scan(struct slice mail, size_t step, struct arena *a, struct mime_tree *ret)
{
	AUTO(mime_scan_freep) struct mime_scan *s = mime_scan_new();

	for (size_t at = 0; at < mail.n; at += step)
		mime_scan_feed(s, slice_sub(mail, at, at + step));
	mime_scan_end(s, a, ret);
}

/* Each leaf as "role type size <content>", where the role is T, H or A. */
static struct slice describe(struct slice mail, const struct mime_tree *t, struct arena *a)
{
	AUTO(buf_release) struct buf b = BUF_INIT(100000);

	for (size_t i = 0; i < t->n; i++) {
		const struct mime_part *p = &t->v[i];

		buf_addf(&b, "%c %.*s %lld <", "ATH"[p->role], SLICE_ARGS(p->type),
			 (long long)p -> size);
		buf_add_slice(&b, slice_sub(mail, (size_t)p->start, (size_t)p->end));
		buf_add_str(&b, ">\n");
	}
	return arena_slice(a, buf_slice(&b));
}

static void parts_are_found(void **state)
{
	static const struct {
		struct slice mail;
		const char *want;
	} rows[] = {
		{ SLICE_INIT("Subject: x\r\n\r\nHello\r\n"), "T text/plain 7 <Hello\r\n>\n" },
		{ SLICE_INIT("Content-Type: text/html\n\n<p>"), "H text/html 3 <<p>>\n" },
		{ SLICE_INIT(""), "T text/plain 0 <>\n" },
		{ SLICE_INIT("Subject: no body"), "T text/plain 0 <>\n" },
		{ SLICE_INIT("Content-Type: application/pdf\n"
			     "Content-Transfer-Encoding: Base64\n\nYWJj\nZA==\n"),
		  "A application/pdf 4 <YWJj\nZA==\n>\n" },
		{ SLICE_INIT(MULTI("mixed", "b") "preamble\r\n--b\r\n\r\none\r\n--b\r\n"
						 "Content-Type: text/x\r\n\r\ntwo\r\n\r\n--b--\r\n"
						 "epilogue\r\n--b\r\n\r\nno"),
		  "T text/plain 3 <one>\nA text/x 5 <two\r\n>\n" },
		{ SLICE_INIT(MULTI("alternative", "\"x y\"") "--x y\n\nt\n--x y\n"
							     "Content-Type: text/html\n\nh\n"
							     "--x y\n\nsecond\n--x y--\n"),
		  "T text/plain 1 <t>\nH text/html 1 <h>\nA text/plain 6 <second>\n" },
		/* a body around an attachment, and one behind an alternative */
		{ SLICE_INIT(MULTI("mixed", "b") "--b\n\none\n--b\nContent-Type: image/png\n\nP\n"
						 "--b\n\ntwo\n--b--\n"),
		  "T text/plain 3 <one>\nA image/png 1 <P>\nT text/plain 3 <two>\n" },
		{ SLICE_INIT(MULTI("mixed", "o") "--o\n" MULTI(
			  "alternative",
			  "i") "--i\n\nt\n--i\n" MULTI("related",
						       "r") "--r\nContent-Type: text/html\n\nh\n"
							    "--r\nContent-Type: image/png\n"
							    "Content-ID: <c>\n\nP\n--r--\n"
							    "--i--\n--o\n\nfooter\n--o--"),
		  "T text/plain 1 <t>\nH text/html 1 <h>\nA image/png 1 <P>\n"
		  "T text/plain 6 <footer>\n" },
		/* an outer delimiter ends what is inside */
		{ SLICE_INIT(
			  MULTI("mixed", "o") "--o\n" MULTI("mixed", "i") "--i\n\none\n--o\n\n"
									  "two\n--i\nx\n--o--\n"),
		  "T text/plain 3 <one>\nT text/plain 9 <two\n--i\nx>\n" },
		/* no last delimiter, no header, no empty line, no content */
		{ SLICE_INIT(MULTI("mixed", "b") "--b\n\none\n"), "T text/plain 4 <one\n>\n" },
		{ SLICE_INIT(MULTI("mixed", "b") "--b\nContent-Type: a/b\n--b\n\n--b\n--b--"),
		  "A a/b 0 <>\nT text/plain 0 <>\nT text/plain 0 <>\n" },
		{ SLICE_INIT(MULTI("mixed", "b") "nothing\n"), "" },
		{ SLICE_INIT("Content-Type: multipart/mixed\n\n--b\n\nx\n"),
		  "T text/plain 7 <--b\n\nx\n>\n" },
		/* what looks like a delimiter and is none */
		{ SLICE_INIT(MULTI("mixed", "b") "--b\n\n--bc\n --b\n--b x\n-\n--\n--b\t \r\n\ny"),
		  "T text/plain 20 <--bc\n --b\n--b x\n-\n-->\nT text/plain 1 <y>\n" },
		{ SLICE_INIT(
			  MULTI("mixed", "ab") "--ab\n" MULTI("mixed", "a") "--a\n\nx\n--ab--\n"),
		  "T text/plain 1 <x>\n" },
		/* messages are not looked into; a digest is made of them */
		{ SLICE_INIT("Content-Type: message/rfc822\n\nContent-Type: text/html\n\nx"),
		  "A message/rfc822 26 <Content-Type: text/html\n\nx>\n" },
		{ SLICE_INIT(MULTI("digest", "b") "--b\n\nSubject: x\n--b--"),
		  "A message/rfc822 10 <Subject: x>\n" },
		/* text that is a file */
		{ SLICE_INIT(
			  MULTI("mixed", "b") "--b\nContent-Disposition: attachment\n\none\n--b\n"
					      "Content-Type: text/plain; name=x\n\ntwo\n--b--"),
		  "A text/plain 3 <one>\nA text/plain 3 <two>\n" },
		{ SLICE_INIT("Content-Type: text/plain; name=x\n\none"), "T text/plain 3 <one>\n" },
		/* broken types and encodings */
		{ SLICE_INIT("Content-Type: nonsense\n\nx"), "A application/octet-stream 1 <x>\n" },
		{ SLICE_INIT("Content-Type: TEXT/Plain (comment); charset\n\nx"),
		  "T text/plain 1 <x>\n" },
		{ SLICE_INIT("Content-Transfer-Encoding: bogus\n\nx"), "T text/plain 1 <x>\n" },
		{ SLICE_INIT("Content-Transfer-Encoding: quoted-printable\n\na=\n=20\n"),
		  "T text/plain 3 <a=\n=20\n>\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 1000; step = step * 3 + 1) {
			AUTO(arena_release) struct arena a = ARENA_INIT;
			struct mime_tree t;

			scan(rows[i].mail, step, &a, &t);
			assert_slice_row(describe(rows[i].mail, &t, &a), slice_str(rows[i].want),
					 i);
			assert_row(i, !t.limited);
		}
}

static void a_part_tells_what_it_is(void **state)
{
	static const struct slice mail = SLICE_INIT(MULTI(
		"related", "b") "--b\nContent-Type: image/PNG; name=\"../x.png\"\n"
				"Content-ID: <a@b>\nContent-Transfer-Encoding: BASE64\n\nYQ==\n"
				"--b\nContent-Type: text/plain; charset=KOI8-R (x)\n"
				"Content-Disposition: INLINE; filename*=utf-8''%c3%a9\n\nx\n"
				"--b\nContent-Disposition: form-data\n\nx\n--b--\n");
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct mime_tree t;

	(void)state;
	scan(mail, 7, &a, &t);
	assert_int_equal(t.n, 3);
	assert_slice(t.v[0].type, S("image/png"));
	assert_slice(t.v[0].filename, S("_x.png"));
	assert_slice(t.v[0].content_id, S("a@b"));
	assert_slice(t.v[0].disposition, S(""));
	assert_true(t.v[0].shown && t.v[0].encoding == MIME_BASE64 && t.v[0].size == 1);
	assert_slice(t.v[1].charset, S("KOI8-R"));
	assert_slice(t.v[1].filename, S("\xc3\xa9"));
	assert_slice(t.v[1].disposition, S("inline"));
	assert_true(t.v[1].shown && t.v[1].role == MIME_ATTACHMENT);
	assert_slice(t.v[2].disposition, S("attachment"));
	assert_false(t.v[2].shown);
	assert_int_equal(header_count(&t.header, S("Content-Type")), 1);
}

/* Names go into answers a thousand times: none may be long. */
static void long_names_of_parts_are_cut(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf mail = BUF_INIT(100000);
	char name[2000];
	struct mime_tree t;

	(void)state;
	memset(name, 'x', sizeof(name));
	buf_add_str(&mail, "Content-ID: <");
	buf_add(&mail, name, sizeof(name));
	buf_add_str(&mail, ">\nContent-Type: image/png; charset=");
	buf_add(&mail, name, sizeof(name));
	buf_add_str(&mail, "; name=");
	buf_add(&mail, name, sizeof(name));
	buf_add_str(&mail, "\n\n");
	scan(buf_slice(&mail), 1000, &a, &t);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.v[0].content_id.n, 255);
	assert_int_equal(t.v[0].filename.n, 255);
	assert_int_equal(t.v[0].charset.n, 0);
}

static void many_parts_are_cut(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf mail = BUF_INIT(1000000);
	struct mime_tree t;

	(void)state;
	buf_add_str(&mail, MULTI("mixed", "b"));
	for (int i = 0; i < MIME_PARTS_MAX - 1; i++)
		buf_add_str(&mail, "--b\n\nx\n");
	scan(buf_slice(&mail), 1000, &a, &t);
	assert_true(t.n == MIME_PARTS_MAX - 1 && !t.limited);
	buf_add_str(&mail, "--b\n\nx\n--b--\n");
	scan(buf_slice(&mail), 1000, &a, &t);
	assert_true(t.n == MIME_PARTS_MAX - 1 && t.limited);
}

static void deep_nesting_is_one_part(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(buf_release) struct buf mail = BUF_INIT(1000000);
	struct mime_tree t;

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_addf(&mail, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
	scan(buf_slice(&mail), 1000, &a, &t);
	assert_int_equal(t.n, 1);
	assert_slice(t.v[0].type, S("multipart/mixed"));
	assert_int_equal(t.v[0].end, mail.len);
}

/* What is kept does not depend on how much passes by. */
static void headers_and_lines_without_end_are_cut(void **state)
{
	static const char *const heads[] = {
		"",
		"X: ",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\nX: ",
		"Content-Type: multipart/mixed; boundary=b\n\n--",
		"Content-Type: multipart/mixed; boundary=b\n\n--b",
	};
	static const char *const fill[] = { "x", "x\n", "\n y", "\r", "--b\n" };
	static char bytes[60000];

	(void)state;
	for (size_t h = 0; h < ARRAY_LEN(heads); h++)
		for (size_t f = 0; f < ARRAY_LEN(fill); f++) {
			AUTO(arena_release) struct arena a = ARENA_INIT;
			AUTO(mime_scan_freep) struct mime_scan *s = mime_scan_new();
			struct mime_tree t;

			for (size_t i = 0; i < sizeof(bytes); i++)
				bytes[i] = fill[f][i % strlen(fill[f])];
			mime_scan_feed(s, slice_str(heads[h]));
			for (int i = 0; i < 100; i++)
				mime_scan_feed(s, slice_of(bytes, sizeof(bytes)));
			mime_scan_end(s, &a, &t);
			assert_row(h, arena_used(&a) < 4 * HEADER_BYTES_MAX);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_found),
		cmocka_unit_test(a_part_tells_what_it_is),
		cmocka_unit_test(long_names_of_parts_are_cut),
		cmocka_unit_test(many_parts_are_cut),
		cmocka_unit_test(deep_nesting_is_one_part),
		cmocka_unit_test(headers_and_lines_without_end_are_cut),
	};

	return cmocka_run_group_tests(tests, ready, NULL);
}
