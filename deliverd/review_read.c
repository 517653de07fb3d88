/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading answers. Nothing but the reviewer's own first line may ever decide: no header
 * that the signature leaves open, no quoted word, no guess.
 */
#include "deliverd/review_read.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "common/mail/mime_part.h"
#include "common/mail/review_addr.h"

enum {
	BODY_MAX = 64 * 1024, /* bytes of the body that are looked at */
	TEXT_MAX = 16 * 1024, /* of its text, still encoded */
};

static const char *const reason_names[REVIEW_REASON_COUNT] = {
	[REVIEW_DECIDES] = "",
	[REVIEW_NULL_SENDER] = "null_sender",
	[REVIEW_AUTOMATIC] = "automatic",
	[REVIEW_LIST] = "list",
	[REVIEW_UNJUDGED] = "unjudged",
	[REVIEW_AGENT] = "agent",
	[REVIEW_FROM] = "from",
	[REVIEW_OTHER] = "other_author",
	[REVIEW_TO] = "to",
	[REVIEW_NO_DKIM] = "no_dkim",
	[REVIEW_UNALIGNED] = "not_aligned",
	[REVIEW_UNSIGNED] = "addresses_not_signed",
	[REVIEW_DMARC] = "dmarc",
	[REVIEW_UNCLEAR] = "unclear",
};

const char *review_reason_name(enum review_reason r)
{
	return (unsigned)r < REVIEW_REASON_COUNT ? reason_names[r] : "";
}

/* ---- who wrote it ---- */

/* The value without comments and parameters. */
static struct slice word_of(const struct header_field *f, struct arena *a)
{
	struct mime_field parsed;

	mime_field_parse(f->value, a, &parsed);
	return parsed.value;
}

static bool is_automatic(const struct header *h, struct arena *a)
{
	for (size_t i = 0; i < h->n; i++)
		if (slice_ieq(h->v[i].name, S("Auto-Submitted")) &&
		    !slice_ieq(word_of(&h->v[i], a), S("no")))
			return true;
	return false;
}

static bool is_of_list(const struct header *h, struct arena *a)
{
	static const struct slice words[] = { SLICE_INIT("list"), SLICE_INIT("bulk"),
					      SLICE_INIT("junk"), SLICE_INIT("auto_reply") };

	for (size_t i = 0; i < h->n; i++) {
		if (slice_istarts(h->v[i].name, S("List-")))
			return true;
		if (!slice_ieq(h->v[i].name, S("Precedence")))
			continue;
		for (size_t k = 0; k < ARRAY_LEN(words); k++)
			if (slice_ieq(word_of(&h->v[i], a), words[k]))
				return true;
	}
	return false;
}

static enum review_reason check_author(const struct header *h, const struct review_question *q,
				       struct arena *a)
{
	struct slice author, reviewer;
	struct addr one;

	if (!q->verdict->author_valid || addr_author(h, a, &one) ||
	    addr_fold(one.spec, a, &author) || addr_fold(q->reviewer, a, &reviewer))
		return REVIEW_FROM;
	return slice_eq(author, reviewer) ? REVIEW_DECIDES : REVIEW_OTHER;
}

/* One To field, which names the address; an answer is about one mail. */
static bool is_addressed(const struct header *h, struct slice address, struct arena *a)
{
	struct addr_list list;
	size_t found = 0, others = 0;

	if (header_count(h, S("To")) != 1)
		return false;
	addr_parse_list(header_first(h, S("To"))->value, a, &list);
	for (size_t i = 0; i < list.n; i++) {
		struct slice folded, token;

		if (!review_addr_is(list.v[i].spec, a, &folded, &token))
			continue;
		if (slice_eq(folded, address))
			found++;
		else
			others++;
	}
	return found && !others && !list.limited;
}

/* The reason that is left when all signatures were looked at. */
static enum review_reason check_signatures(const struct verdict *v)
{
	enum review_reason best = REVIEW_NO_DKIM;

	for (size_t i = 0; i < v->dkim_n; i++) {
		const struct verdict_dkim *d = &v->dkim[i];
		enum review_reason is = d->result != AUTH_PASS ? REVIEW_NO_DKIM
					: !d->aligned          ? REVIEW_UNALIGNED
					: !d->signs_addresses  ? REVIEW_UNSIGNED
							       : REVIEW_DECIDES;

		if (is == REVIEW_DECIDES)
			return v->dmarc == AUTH_FAIL ? REVIEW_DMARC : REVIEW_DECIDES;
		if (is > best)
			best = is;
	}
	return best;
}

static enum review_reason check_writer(const struct header *h, const struct review_question *q,
				       struct arena *a)
{
	enum review_reason r;

	if (q->sender.n == 0)
		return REVIEW_NULL_SENDER;
	if (is_automatic(h, a))
		return REVIEW_AUTOMATIC;
	if (is_of_list(h, a))
		return REVIEW_LIST;
	if (!q->verdict)
		return REVIEW_UNJUDGED;
	if (!slice_eq(q->verdict->origin, S("smtp")))
		return REVIEW_AGENT;
	r = check_author(h, q, a);
	if (r)
		return r;
	return is_addressed(h, q->address, a) ? check_signatures(q->verdict) : REVIEW_TO;
}

/* ---- what it says ---- */

static bool is_padding(struct slice s)
{
	return slice_trim(s).n == 0;
}

/*
 * Content-Type is not signed by everybody, the body always is. So a multipart is one only
 * where the body begins with its delimiter, but for the line that some programs put before
 * it: who can change the header finds no other beginning in the same bytes.
 */
static bool begins_with(struct slice body, struct slice boundary)
{
	bool noticed = false;
	struct slice line;

	while (slice_cut(&body, '\n', &line)) {
		if (is_padding(line))
			continue;
		if (!noticed && slice_istarts(line, S("This is a multi"))) {
			noticed = true;
			continue;
		}
		if (!slice_starts(line, S("--")))
			return false;
		line = slice_sub(line, 2, line.n);
		return slice_starts(line, boundary) &&
		       is_padding(slice_sub(line, boundary.n, line.n));
	}
	return false;
}

static bool is_as_signed(struct slice message, size_t body, struct arena *a)
{
	struct mime_part_header h;

	mime_part_header_read(slice_sub(message, 0, body), a, &h);
	return !slice_starts(h.type_name, S("multipart/")) ||
	       begins_with(slice_sub(message, body, message.n),
			   mime_field_bytes(&h.type, S("boundary"), a));
}

/* The beginning of the text that comes first; empty when something else does. */
static struct slice first_text(struct slice message, size_t body, struct arena *a)
{
	AUTO(mime_scan_freep) struct mime_scan *scan = mime_scan_new();
	AUTO(mime_text_freep) struct mime_text *text = NULL;
	AUTO(buf_release)
	struct buf out = BUF_INIT(MIME_TEXT_GROWTH * TEXT_MAX + 2 * MIME_TEXT_EXTRA);
	struct mime_tree tree;
	struct slice coded;

	message = slice_sub(message, 0, body + BODY_MAX);
	mime_scan_feed(scan, message);
	mime_scan_end(scan, a, &tree);
	if (tree.n == 0 || tree.v[0].role != MIME_BODY_TEXT || !is_as_signed(message, body, a))
		return S("");
	coded = slice_sub(message, (size_t)tree.v[0].start, (size_t)tree.v[0].end);
	text = mime_text_new(tree.v[0].encoding, tree.v[0].charset);
	mime_text_feed(text, slice_sub(coded, 0, TEXT_MAX), &out);
	mime_text_end(text, &out);
	return arena_slice(a, buf_slice(&out));
}

/* The length of what looks like nothing at the beginning: blanks, those of no break or width. */
static size_t blank_len(struct slice s)
{
	static const struct slice blanks[] = {
		SLICE_INIT(" "),           SLICE_INIT("\t"),       SLICE_INIT("\f"),
		SLICE_INIT("\v"),          SLICE_INIT("\xc2\xa0"), SLICE_INIT("\xe2\x80\x8b"),
		SLICE_INIT("\xef\xbb\xbf")
	};

	for (size_t i = 0; i < ARRAY_LEN(blanks); i++)
		if (slice_starts(s, blanks[i]))
			return blanks[i].n;
	return 0;
}

/* The same, and what may stand behind a word. */
static size_t mark_len(struct slice s)
{
	return s.n && slice_find(S(":.,!"), s.p[0]) >= 0 ? 1 : blank_len(s);
}

static struct slice skip(struct slice s, size_t (*len)(struct slice))
{
	while (s.n && len(s))
		s = slice_sub(s, len(s), s.n);
	return s;
}

static struct slice first_line(struct slice text)
{
	struct slice line;

	while (slice_cut(&text, '\n', &line)) {
		line = skip(line, blank_len);
		if (line.n)
			return line;
	}
	return S("");
}

/* Nothing but the word: whoever adds a condition has not approved. */
static bool reads_approve(struct slice line)
{
	struct slice rest = slice_sub(line, S("approve").n, line.n);

	if (!slice_istarts(line, S("approve")))
		return false;
	rest = skip(rest, blank_len);
	if (slice_starts(rest, S(".")) || slice_starts(rest, S("!")))
		rest = slice_sub(rest, 1, rest.n);
	return skip(rest, blank_len).n == 0;
}

static bool reads_reject(struct slice line, struct arena *a, struct slice *ret_why)
{
	struct slice rest = slice_sub(line, S("reject").n, line.n);
	struct slice why = skip(rest, mark_len);

	if (!slice_istarts(line, S("reject")) || (rest.n && rest.n == why.n))
		return false;
	*ret_why = utf8_line(a, why, REVIEW_WHY_MAX);
	return true;
}

void review_read(struct slice message, const struct review_question *q, struct arena *a,
		 struct review_answer *ret)
{
	struct header h;
	struct slice line;

	*ret = (struct review_answer){ 0 };
	header_parse(message, a, &h);
	ret->reason = check_writer(&h, q, a);
	if (ret->reason)
		return;
	ret->authentic = true;
	line = first_line(first_text(message, h.body, a));
	ret->approves = reads_approve(line);
	if (!ret->approves && !reads_reject(line, a, &ret->why))
		ret->reason = REVIEW_UNCLEAR;
}
