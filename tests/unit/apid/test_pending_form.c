/* SPDX-License-Identifier: Apache-2.0 */
/* What a human changed about a mail, and what only a browser did. */
#include "apid/pending.h"
#include "tests/unit/test.h"

static struct slice to[] = { SLICE_INIT("a@x.example"), SLICE_INIT("b@x.example") };

/* One with something in each field that can be changed. */
static struct held_mail mail(void)
{
	return (struct held_mail){
		.sent = { .to = to, .to_n = ARRAY_LEN(to), .subject = SLICE_INIT("Subject") },
		.hold = { .text_bytes = 6, .html_bytes = 4 },
		.text = SLICE_INIT("Text\r\n"),
		.html = SLICE_INIT("<p>H"),
	};
}

struct changes {
	bool fine;
	struct draft d;
};

static struct changes read(const struct held_mail *m, const struct pending_form *f, struct arena *a)
{
	struct changes c = { 0 };
	const char *wrong = NULL;

	c.fine = pending_form_draft(f, m, a, &c.d, &wrong);
	assert_true(c.fine == (wrong == NULL));
	return c;
}

static bool has_none(const struct changes *c)
{
	return c->fine && !c->d.given.to && !c->d.given.cc && !c->d.given.bcc &&
	       !c->d.given.subject && !c->d.given.body && !c->d.given.html_body &&
	       !c->d.given.attachments;
}

static void what_a_page_shows_is_no_change(void **state)
{
	static const struct slice rows[] = {
		SLICE_INIT(""),           SLICE_INIT("a\nb"),
		SLICE_INIT("a\r\nb\r\n"), SLICE_INIT("a\rb\r"),
		SLICE_INIT("\r\r\n\n"),   SLICE_INIT("\x1b\x7f\xc2\x85"),
		SLICE_INIT("<&>\"'&lt;"), SLICE_INIT("\xe2\x80\xae x"),
		SLICE_INIT("  \t "),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct held_mail m = mail();
		struct pending_form f;
		struct changes c;

		m.text = m.html = m.sent.subject = rows[i];
		pending_form_fill(&a, &m, &f);
		c = read(&m, &f, &a);
		assert_row(i, has_none(&c));
	}
}

/* A page has U+FFFD for what it cannot show, and gets that back. */
static void what_could_not_be_shown_is_no_change(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct held_mail m = mail();
	struct pending_form f;
	struct changes c;

	(void)state;
	m.text = S("a\x1b[2J");
	pending_form_fill(&a, &m, &f);
	f.text = S("a\xef\xbf\xbd[2J");
	c = read(&m, &f, &a);
	assert_true(has_none(&c));
}

static void addresses_are_cut_at_lines_commas_and_semicolons(void **state)
{
	static const struct {
		struct slice text, want; /* joined by '|' */
	} rows[] = {
		{ SLICE_INIT(""), SLICE_INIT("") },
		{ SLICE_INIT(" \n ,;\n"), SLICE_INIT("") },
		{ SLICE_INIT("c@x"), SLICE_INIT("c@x") },
		{ SLICE_INIT(" c@x \n\td@x\n\n"), SLICE_INIT("c@x|d@x") },
		{ SLICE_INIT("c@x,d@x; e@x"), SLICE_INIT("c@x|d@x|e@x") },
		{ SLICE_INIT("\"D, J\" <c@x>, d@x"), SLICE_INIT("\"D, J\" <c@x>|d@x") },
		{ SLICE_INIT("\"D, J\n<c@x>, d@x"), SLICE_INIT("\"D, J|<c@x>|d@x") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		AUTO(buf_release) struct buf got = BUF_INIT(1000);
		struct held_mail m = mail();
		struct pending_form f;
		struct changes c;

		pending_form_fill(&a, &m, &f);
		f.to = rows[i].text;
		c = read(&m, &f, &a);
		assert_row(i, c.fine && c.d.given.to && !c.d.given.cc);
		for (size_t k = 0; k < c.d.to.n; k++) {
			buf_add_str(&got, k ? "|" : "");
			buf_add_slice(&got, c.d.to.v[k]);
		}
		assert_slice_row(buf_slice(&got), rows[i].want, i);
	}
}

static void another_order_of_recipients_is_a_change(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct held_mail m = mail();
	struct pending_form f;

	(void)state;
	pending_form_fill(&a, &m, &f);
	assert_slice(f.to, S("a@x.example\nb@x.example\n"));
	f.to = S("b@x.example, a@x.example");
	assert_true(read(&m, &f, &a).d.given.to);
	f.to = S("a@x.example, b@x.example");
	assert_false(read(&m, &f, &a).d.given.to);
}

static void a_changed_text_needs_another_html_version_or_none(void **state)
{
	static const struct {
		struct slice text, html;
		bool drop, has_html, fine, text_changed, html_changed;
	} rows[] = {
		{ SLICE_INIT("Text\n"), SLICE_INIT("<p>H"), false, true, true, false, false },
		{ SLICE_INIT("New\n"), SLICE_INIT("<p>H"), false, true, false, false, false },
		{ SLICE_INIT("New\n"), SLICE_INIT("<p>N"), false, true, true, true, true },
		{ SLICE_INIT("New\n"), SLICE_INIT(""), false, true, true, true, true },
		{ SLICE_INIT("New\n"), SLICE_INIT("<p>H"), true, true, true, true, true },
		{ SLICE_INIT("Text\n"), SLICE_INIT("<p>H"), true, true, true, false, true },
		{ SLICE_INIT("Text\n"), SLICE_INIT("<p>N"), false, true, true, false, true },
		{ SLICE_INIT("New\n"), SLICE_INIT("<p>N"), false, false, true, true, false },
		{ SLICE_INIT("New\n"), SLICE_INIT(""), true, false, true, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct held_mail m = mail();
		struct pending_form f;
		struct changes c;

		if (!rows[i].has_html)
			m.html = S("");
		pending_form_fill(&a, &m, &f);
		f.text = rows[i].text;
		f.html = rows[i].html;
		f.drop_html = rows[i].drop;
		c = read(&m, &f, &a);
		assert_row(i, c.fine == rows[i].fine);
		assert_row(i, c.d.given.body == rows[i].text_changed);
		assert_row(i, c.d.given.html_body == rows[i].html_changed);
		if (rows[i].drop && rows[i].html_changed)
			assert_int_equal(c.d.html_body.n, 0);
	}
}

/* The rest of it would be lost. */
static void what_was_shown_in_part_stays_as_it_is(void **state)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct held_mail m = mail();
	struct pending_form f;
	struct changes c;

	(void)state;
	pending_form_fill(&a, &m, &f);
	m.hold.text_bytes = m.hold.html_bytes = HELD_MAIL_SHOWN + 1;
	f.text = f.html = S("x");
	c = read(&m, &f, &a);
	assert_true(has_none(&c));
	f.drop_html = true;
	assert_true(read(&m, &f, &a).d.given.html_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_page_shows_is_no_change),
		cmocka_unit_test(what_could_not_be_shown_is_no_change),
		cmocka_unit_test(addresses_are_cut_at_lines_commas_and_semicolons),
		cmocka_unit_test(another_order_of_recipients_is_a_change),
		cmocka_unit_test(a_changed_text_needs_another_html_version_or_none),
		cmocka_unit_test(what_was_shown_in_part_stays_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
