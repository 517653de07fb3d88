/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery status notifications (RFC 3464 2, RFC 6533 3): groups of fields, one for each
 * recipient. What is malformed costs the field or the group that it is in.
 */
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/bounce_private.h"
#include "common/mail/bounce_status.h"
#include "common/mail/mime.h"

enum field { ORIGINAL, FINAL, ACTION, STATUS, DIAGNOSTIC, REMOTE_MTA, RETRY_UNTIL, FIELDS };

static const char *const field_names[FIELDS] = {
	[ORIGINAL] = "Original-Recipient",
	[FINAL] = "Final-Recipient",
	[ACTION] = "Action",
	[STATUS] = "Status",
	[DIAGNOSTIC] = "Diagnostic-Code",
	[REMOTE_MTA] = "Remote-MTA",
	[RETRY_UNTIL] = "Will-Retry-Until",
};

/* The values of one recipient's fields, as they stand there. */
struct group {
	struct slice v[FIELDS];
};

static const struct {
	struct slice word;
	enum bounce_kind kind;
	char class; /* of its default status */
} actions[] = {
	{ SLICE_INIT("failed"), BOUNCE_FAILED, '5' },
	{ SLICE_INIT("delayed"), BOUNCE_DELAYED, '4' },
	{ SLICE_INIT("delivered"), BOUNCE_DELIVERED, '2' },
	{ SLICE_INIT("relayed"), BOUNCE_DELIVERED, '2' },
	{ SLICE_INIT("expanded"), BOUNCE_DELIVERED, '2' },
};

struct report_reader {
	struct bounce_reader *r;
	struct arena scratch; /* of one run of fields */
	size_t groups;
	bool full;
};

/* The value of a field on one line. */
static struct slice line_of(struct report_reader *rr, const struct group *g, enum field field)
{
	return slice_trim(header_unfold(&rr->scratch, g->v[field]));
}

/* "type; value": the value; all of it when no type is there. */
static struct slice without_type(struct slice value, struct slice *ret_type)
{
	struct slice rest = value, head = { NULL, 0 };

	slice_cut(&rest, ';', &head);
	*ret_type = rest.p ? slice_trim(head) : S("");
	return slice_trim(rest.p ? rest : value);
}

/* --- addresses --- */

static int hex_digit(char c)
{
	const char *digits = "0123456789ABCDEFabcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	if (!at)
		return -1;
	return (int)(at - digits) - (at - digits > 15 ? 6 : 0);
}

/* xtext (RFC 3461 4): "+2B" is a plus. */
static struct slice decode_xtext(struct slice s, struct arena *a)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int high = s.p[i] == '+' && i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;

		if (low < 0) {
			out[n++] = s.p[i];
		} else {
			out[n++] = (char)(high << 4 | low);
			i += 2;
		}
	}
	return slice_of(out, n);
}

/* The value of "\x{...}" at the start of s, and how long that is; 0 when it is none. */
static size_t unicode_escape(struct slice s, uint32_t *ret)
{
	size_t i = 3;

	if (!slice_starts(s, S("\\x{")))
		return 0;
	for (*ret = 0; i < s.n && i < 9 && hex_digit(s.p[i]) >= 0; i++)
		*ret = *ret << 4 | (uint32_t)hex_digit(s.p[i]);
	if (i == 3 || i == s.n || s.p[i] != '}' || *ret > 0x10ffff ||
	    (*ret >= 0xd800 && *ret <= 0xdfff))
		return 0;
	return i + 1;
}

/* utf-8-addr-xtext (RFC 6533 3): "\x{E9}" is a character. */
static struct slice decode_unicode(struct slice s, struct arena *a)
{
	char *out = arena_alloc(a, s.n + 1); /* an escape is longer than its character */
	size_t n = 0;

	while (s.n) {
		uint32_t c;
		size_t len = unicode_escape(s, &c);

		if (len)
			n += utf8_encode(c, out + n);
		else
			out[n++] = s.p[0];
		s = slice_sub(s, len ? len : 1, s.n);
	}
	return slice_of(out, n);
}

/* As it stands, and if that is nobody decoded: mail systems differ in whether they do it. */
static size_t find_in(struct report_reader *rr, const struct group *g, enum field field)
{
	struct slice type, address = without_type(line_of(rr, g, field), &type);
	size_t i;

	if (slice_ieq(type, S("utf-8")))
		address = decode_unicode(address, &rr->scratch);
	i = bounce_find(rr->r, address, &rr->scratch);
	if (i == rr->r->n && slice_find(address, '+') >= 0)
		i = bounce_find(rr->r, decode_xtext(address, &rr->scratch), &rr->scratch);
	return i;
}

/* The final recipient of a forwarded mail is nobody we know. */
static size_t find_recipient(struct report_reader *rr, const struct group *g)
{
	size_t i = find_in(rr, g, ORIGINAL);

	return i < rr->r->n ? i : find_in(rr, g, FINAL);
}

/* --- what happened --- */

/* "5.0.0" says no more than that it failed; Exim always writes it. */
static bool tells(struct slice status)
{
	return status.n && !slice_ends(status, S(".0.0"));
}

static struct slice better(struct slice given, struct slice said)
{
	return tells(given) || (!tells(said) && given.n) ? given : said;
}

/* The Status field, else the code in the diagnostic, else what the diagnostic means. */
static void set_status(struct report_reader *rr, const struct group *g, char class,
		       struct bounce_report *ret)
{
	struct slice given = bounce_status_at(line_of(rr, g, STATUS)), said, guess;

	/* What was tried for too long fails with a status of class 4. */
	if (given.n && given.p[0] != class && (class != '5' || given.p[0] != '4'))
		given = S("");
	said = bounce_status_in(ret->diagnostic, given.n ? given.p[0] : class);
	if (!given.n && !said.n && class == '5')
		said = bounce_status_in(ret->diagnostic, '4');
	guess = bounce_status_guess(ret->diagnostic, &rr->scratch);
	if (guess.n && class != '5' && guess.p[0] != class)
		guess = S("");
	ret->status = better(given, said);
	ret->inferred = !tells(ret->status) && (guess.n || !ret->status.n);
	if (ret->inferred)
		ret->status =
			guess.n ? guess : slice_str(arena_printf(&rr->scratch, "%c.0.0", class));
}

/* The row of an action, or of the class of the status where there is none. */
static size_t action_of(struct report_reader *rr, const struct group *g)
{
	struct slice word = line_of(rr, g, ACTION),
		     status = bounce_status_at(line_of(rr, g, STATUS));

	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		struct slice rest = slice_sub(word, actions[i].word.n, word.n);

		if (slice_istarts(word, actions[i].word) &&
		    (rest.n == 0 || slice_find(S(" \t(;"), rest.p[0]) >= 0))
			return i;
	}
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (status.n && status.p[0] == actions[i].class)
			return i;
	return ARRAY_LEN(actions);
}

static void take_group(struct report_reader *rr, const struct group *g)
{
	struct bounce_report report = { 0 };
	struct slice type;
	size_t action = action_of(rr, g);

	if (action == ARRAY_LEN(actions))
		return;
	rr->groups++;
	report.recipient = find_recipient(rr, g);
	if (report.recipient == rr->r->n) {
		rr->r->out->ignored++;
		return;
	}
	report.kind = actions[action].kind;
	report.diagnostic = without_type(line_of(rr, g, DIAGNOSTIC), &type);
	report.remote_mta = without_type(line_of(rr, g, REMOTE_MTA), &type);
	set_status(rr, g, actions[action].class, &report);
	if (report.kind != BOUNCE_DELAYED ||
	    mime_date(line_of(rr, g, RETRY_UNTIL), &rr->scratch, &report.retry_until_us))
		report.retry_until_us = 0;
	bounce_add(rr->r, &report);
}

/* --- groups --- */

static void end_group(struct report_reader *rr, struct group *g)
{
	if (g->v[ORIGINAL].p || g->v[FINAL].p) {
		rr->full = rr->groups == BOUNCE_GROUPS_MAX;
		if (!rr->full)
			take_group(rr, g);
	}
	*g = (struct group){ 0 };
}

/* A recipient that is named a second time begins another group: the empty line was forgotten. */
static void read_field(struct report_reader *rr, const struct header_field *f, struct group *g)
{
	for (size_t i = 0; i < FIELDS; i++) {
		if (!slice_ieq(f->name, slice_str(field_names[i])))
			continue;
		if (g->v[i].p && (i == ORIGINAL || i == FINAL))
			end_group(rr, g);
		if (!g->v[i].p)
			g->v[i] = f->value;
	}
}

static void read_groups(struct report_reader *rr, struct slice text)
{
	while (text.n && !rr->full) {
		struct group g = { 0 };
		struct header h;

		header_parse(text, &rr->scratch, &h);
		for (size_t i = 0; i < h.n && !rr->full; i++)
			read_field(rr, &h.v[i], &g);
		end_group(rr, &g);
		arena_release(&rr->scratch);
		text = slice_sub(text, h.body, text.n);
	}
}

/* The text of a part; one that does not fit ends with its last whole line. */
static void decode(const struct bounce_reader *r, const struct mime_part *p, struct buf *ret)
{
	AUTO(mime_decoder_freep) struct mime_decoder *d = mime_decoder_new(p->encoding);
	struct slice content = slice_sub(r->mail, (size_t)p->start, (size_t)p->end);
	struct slice fits = slice_sub(content, 0, ret->max - MIME_DECODER_EXTRA * 2);

	mime_decoder_feed(d, fits, ret);
	mime_decoder_end(d, ret);
	if (fits.n == content.n)
		return;
	r->out->limited = true;
	buf_truncate(ret, (size_t)(slice_rfind(buf_slice(ret), '\n') + 1));
}

bool bounce_read_reports(struct bounce_reader *r)
{
	struct report_reader rr = { .r = r };
	size_t room = BOUNCE_REPORT_BYTES_MAX;

	for (size_t i = 0; i < r->tree->n; i++) {
		const struct mime_part *p = &r->tree->v[i];
		AUTO(buf_release) struct buf text = BUF_INIT(room + 2 * MIME_DECODER_EXTRA);

		if (!slice_eq(p->type, S("message/delivery-status")) &&
		    !slice_eq(p->type, S("message/global-delivery-status")))
			continue;
		decode(r, p, &text);
		room -= text.len < room ? text.len : room;
		read_groups(&rr, buf_slice(&text));
	}
	r->out->limited |= rr.full;
	return rr.groups > 0;
}
