/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounces of mail systems that write for humans only. A recipient of the attempt has to stand
 * near a code, or in the place where the format lists who failed. Lines are read once.
 */
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "common/mail/bounce_private.h"
#include "common/mail/bounce_status.h"

enum {
	NEAR_LINES = 12,         /* that are not empty, between a recipient and its code */
	PARAGRAPH_MAX = 4 * 1024 /* bytes of it that may be quoted */
};

/* What the text says of one recipient. */
struct mention {
	bool listed;         /* as failed, where the format has a place for that */
	bool settled;        /* it was reported */
	struct slice answer; /* from where it is named first */
};

struct text_reader {
	struct bounce_reader *r;
	struct arena scratch;
	struct slice text;
	enum bounce_format format;
	bool warning; /* it tells of delays, not of failures */
	struct mention *mention;
	size_t current; /* the recipient that is spoken of; r->n: none of ours */
	size_t near;    /* for how many lines more */
};

/* --- what is read --- */

static const struct mime_part *find_part(const struct mime_tree *t)
{
	for (enum mime_role role = MIME_BODY_TEXT; role <= MIME_BODY_HTML; role++)
		for (size_t i = 0; i < t->n; i++)
			if (t->v[i].role == role)
				return &t->v[i];
	return NULL;
}

/* The line with which the returned mail begins, in the words of several mail systems. */
static bool begins_copy(struct slice line, struct arena *a)
{
	static const char *const phrases[] = { "copy of",          "message follows",
					       "original message", "unsent message",
					       "message header",   "returned message" };
	static const struct slice starts[] = {
		SLICE_INIT("Return-Path:"),
		SLICE_INIT("Received:"),
		SLICE_INIT("Content-Type: message/rfc822"),
		SLICE_INIT("Content-Type: text/rfc822-headers"),
	};

	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (slice_istarts(line, starts[i]))
			return true;
	return slice_starts(slice_trim(line), S("--")) &&
	       bounce_has_phrase(line, phrases, ARRAY_LEN(phrases), a);
}

static struct slice without_copy(struct slice text, struct arena *a)
{
	struct slice rest = text, line;

	while (slice_cut(&rest, '\n', &line))
		if (begins_copy(line, a))
			return slice_sub(text, 0, (size_t)(line.p - text.p));
	return text;
}

static struct slice read_text(const struct bounce_reader *r, struct arena *a)
{
	const struct mime_part *p = find_part(r->tree);
	AUTO(mime_text_freep) struct mime_text *t = NULL;
	AUTO(buf_release)
	struct buf text = BUF_INIT(MIME_TEXT_GROWTH * BOUNCE_TEXT_BYTES_MAX + 2 * MIME_TEXT_EXTRA);
	struct slice content;

	if (!p)
		return S("");
	content = slice_sub(r->mail, (size_t)p->start, (size_t)p->end);
	r->out->limited |= content.n > BOUNCE_TEXT_BYTES_MAX;
	t = mime_text_new(p->encoding, p->charset);
	mime_text_feed(t, slice_sub(content, 0, BOUNCE_TEXT_BYTES_MAX), &text);
	mime_text_end(t, &text);
	return without_copy(arena_slice(a, utf8_cut(buf_slice(&text), BOUNCE_TEXT_BYTES_MAX)), a);
}

/* --- addresses in lines --- */

/* Letters and digits, and what else an address may consist of. */
static bool is_address_char(char c)
{
	return slice_only(slice_of(&c, 1), ".+-_=");
}

/* True when the '@' at this place belongs to the recipient's address and to no longer one. */
static bool is_at(struct slice line, size_t at, const struct bounce_recipient *to)
{
	struct slice before = slice_sub(line, 0, at), behind = slice_sub(line, at + 1, line.n);
	struct slice rest = slice_sub(behind, to->domain.n, behind.n);

	if (!to->folded.n || !slice_iends(before, to->local) || !slice_istarts(behind, to->domain))
		return false;
	before.n -= to->local.n;
	if (before.n && is_address_char(before.p[before.n - 1]))
		return false;
	if (slice_starts(rest, S(".")))
		rest = slice_sub(rest, 1, rest.n);
	return rest.n == 0 || !slice_only(slice_sub(rest, 0, 1), "-_");
}

/* The first recipient of ours that the line names; r->n when there is none. */
static size_t find_in(const struct bounce_reader *r, struct slice line)
{
	for (size_t at = 0; at < line.n; at++)
		for (size_t i = 0; line.p[at] == '@' && i < r->n; i++)
			if (is_at(line, at, &r->recipient[i]))
				return i;
	return r->n;
}

/* True for a line that begins with an address, whoever's: what follows is about that. */
static bool is_heading(struct slice line)
{
	size_t n = 0;

	line = slice_trim(line);
	while (line.n && strchr("<\"'", line.p[0]))
		line = slice_sub(line, 1, line.n);
	while (n < line.n && is_address_char(line.p[n]))
		n++;
	return n > 0 && n + 1 < line.n && line.p[n] == '@' && is_address_char(line.p[n + 1]);
}

/* --- reports --- */

/* From here to the next empty line, or to the one that speaks of somebody else. */
static struct slice paragraph(const struct text_reader *t, struct slice from, size_t recipient)
{
	struct slice rest = utf8_cut(from, PARAGRAPH_MAX), line;

	while (slice_cut(&rest, '\n', &line)) {
		size_t named = find_in(t->r, line);
		bool other = named < t->r->n ? named != recipient : is_heading(line);

		if (line.p > from.p && (other || slice_trim(line).n == 0))
			return slice_sub(from, 0, (size_t)(line.p - from.p));
	}
	return utf8_cut(from, PARAGRAPH_MAX);
}

static struct slice status_of(struct text_reader *t, struct slice answer, char class,
			      bool *ret_inferred)
{
	struct slice said = bounce_status_in(answer, class), guess;

	if (said.n == 0 && class == '5' && t->format != BOUNCE_TEXT)
		said = bounce_status_in(answer, '4');
	guess = bounce_status_guess(answer, &t->scratch);
	*ret_inferred = said.n == 0;
	if (said.n)
		return said;
	if (guess.n && (class == '5' || guess.p[0] == class))
		return guess;
	return class == '5' ? S("5.0.0") : S("4.0.0");
}

/* `where`: what of the answer the status is read from. */
static void settle(struct text_reader *t, size_t recipient, struct slice answer, struct slice where)
{
	struct bounce_report report = {
		.recipient = recipient,
		.kind = t->warning ? BOUNCE_DELAYED : BOUNCE_FAILED,
		.diagnostic = answer,
	};

	report.status = status_of(t, where, t->warning ? '4' : '5', &report.inferred);
	t->mention[recipient].settled = true;
	bounce_add(t->r, &report);
}

static bool has_code(const struct text_reader *t, struct slice line)
{
	char class = t->warning ? '4' : '5';

	return bounce_has_code(line, class) || bounce_status_in(line, class).n;
}

/* Whom the line is about. */
static void follow(struct text_reader *t, struct slice line)
{
	size_t named = find_in(t->r, line);

	if (named < t->r->n || is_heading(line)) {
		t->current = named;
		t->near = NEAR_LINES;
	} else if (t->near == 0) {
		t->current = t->r->n;
	} else if (slice_trim(line).n) {
		t->near--;
	}
}

static void read_line(struct text_reader *t, struct slice line)
{
	struct slice from = slice_sub(t->text, (size_t)(line.p - t->text.p), t->text.n);
	struct mention *m;

	follow(t, line);
	if (t->current == t->r->n)
		return;
	m = &t->mention[t->current];
	if (!m->answer.n)
		m->answer = from;
	if (!m->settled && (m->listed || t->format == BOUNCE_TEXT) && has_code(t, line))
		settle(t, t->current, paragraph(t, from, t->current), line);
}

static void read_lines(struct text_reader *t)
{
	struct slice rest = t->text, line;

	t->current = t->r->n;
	while (slice_cut(&rest, '\n', &line))
		read_line(t, line);
	for (size_t i = 0; i < t->r->n; i++) {
		const struct mention *m = &t->mention[i];
		struct slice answer;

		if (m->settled || !(m->listed || (t->warning && m->answer.n)))
			continue;
		answer = paragraph(t, m->answer, i);
		settle(t, i, answer, answer);
	}
}

/* --- formats --- */

static void list(struct text_reader *t, struct slice address)
{
	size_t i = bounce_find(t->r, address, &t->scratch);

	if (i < t->r->n)
		t->mention[i].listed = true;
	else
		t->r->out->ignored++;
}

/* X-Failed-Recipients: a, b. Google writes it too. */
static bool is_exim(struct text_reader *t)
{
	const struct header_field *f = header_first(&t->r->tree->header, S("X-Failed-Recipients"));
	struct addr_list failed = { 0 };

	if (f)
		addr_parse_list(f->value, &t->scratch, &failed);
	for (size_t i = 0; i < failed.n; i++)
		list(t, failed.v[i].spec);
	return failed.n > 0;
}

/* QSBMF: an introduction, then a paragraph for each recipient that begins with "<address>:". */
static bool is_qmail(struct text_reader *t)
{
	struct slice rest = t->text, line;
	size_t n = 0;

	if (!slice_starts(slice_trim(rest), S("Hi. This is the ")))
		return false;
	while (slice_cut(&rest, '\n', &line) && n < BOUNCE_GROUPS_MAX) {
		line = slice_trim(line);
		if (!slice_starts(line, S("<")) || !slice_ends(line, S(">:")))
			continue;
		list(t, slice_sub(line, 0, line.n - 1));
		n++;
	}
	return n > 0;
}

static struct slice value_of(const struct text_reader *t, const char *name)
{
	const struct header_field *f = header_first(&t->r->tree->header, slice_str(name));

	return f ? f->value : S("");
}

/* A mail system wrote it, or somebody who sounds like one. */
static bool is_from_a_mail_system(struct text_reader *t)
{
	static const char *const names[] = { "mailer-daemon", "postmaster", "mail-daemon",
					     "mailerdaemon", "mdaemon" };
	static const char *const subjects[] = {
		"undeliver",     "delivery fail",  "delivery status",    "failure notice",
		"returned mail", "mail delivery",  "delivery delay",     "returned to sender",
		"non-deliver",   "nondeliver",     "warning: message",   "could not send message",
		"delayed mail",  "delivery notif", "message not deliver"
	};
	struct addr_list from;

	addr_parse_list(value_of(t, "From"), &t->scratch, &from);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (from.n == 1 && slice_ieq(from.v[0].local, slice_str(names[i])))
			return true;
	return bounce_has_phrase(value_of(t, "Subject"), subjects, ARRAY_LEN(subjects),
				 &t->scratch);
}

static bool is_warning(struct text_reader *t)
{
	static const char *const phrases[] = { "this is a warning",
					       "warning message only",
					       "will keep trying",
					       "not yet been delivered",
					       "still undelivered",
					       "no action is required on your part",
					       "do not need to resend",
					       "will be retried",
					       "will continue to be attempted",
					       "delivery will be retried" };

	return bounce_has_phrase(t->text, phrases, ARRAY_LEN(phrases), &t->scratch);
}

static bool set_format(struct text_reader *t)
{
	if (is_exim(t)) {
		t->format = BOUNCE_EXIM;
	} else if (is_qmail(t)) {
		t->format = BOUNCE_QMAIL;
	} else if (is_from_a_mail_system(t)) {
		t->format = BOUNCE_TEXT;
		t->warning = is_warning(t);
	}
	t->r->out->format = t->format;
	return t->format != BOUNCE_NONE;
}

void bounce_read_text(struct bounce_reader *r)
{
	struct text_reader t = { .r = r };

	t.text = read_text(r, &t.scratch);
	t.mention = arena_calloc(&t.scratch, r->n, sizeof(*t.mention));
	if (set_format(&t))
		read_lines(&t);
	arena_release(&t.scratch);
}
