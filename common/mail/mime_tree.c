/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structure scanner: lines, delimiters, headers of parts. It must never keep
 * content, and no mail may make it keep more than the limits of the header allow.
 */
#include "common/mail/mime_tree.h"

#include "common/mail/mime_part.h"

enum {
	LINE_MAX = 2 + MIME_BOUNDARY_MAX + 64, /* of a line that could be a delimiter */
	COUNT_STEP = 16 * 1024,
};

enum multipart { MULTIPART_MIXED, MULTIPART_ALTERNATIVE, MULTIPART_RELATED, MULTIPART_DIGEST };

/* A multipart whose end was not seen. */
struct frame {
	enum multipart kind;
	char boundary[MIME_BOUNDARY_MAX];
	size_t boundary_n;
	size_t child;         /* the part that is open, counted from 1 */
	size_t body_child[3]; /* of an alternative: which child gave the text and the HTML */
};

enum state {
	IN_HEADER,  /* of the message or of a part */
	IN_LEAF,    /* content of a part */
	IN_BETWEEN, /* preamble, epilogue */
	IN_NOTHING, /* limits: the rest is passed over */
};

struct mime_scan {
	struct arena arena; /* what the tree is made of */
	struct mime_part v[MIME_PARTS_MAX];
	size_t n, counted;
	bool limited;
	enum state state;
	struct frame frame[MIME_DEPTH_MAX];
	size_t depth;
	struct slice root_header;
	struct buf header;
	struct mime_decoder *decoder; /* of the open leaf; it only counts */
	struct buf decoded;           /* ... and this is only its room */
	int64_t offset;               /* of the next byte */
	int64_t line_start;
	struct buf line; /* the line so far, while it could be a delimiter */
	bool plain_line; /* it cannot be one */
	bool blank_line; /* nothing but CR and LF so far */
	char eol[2];     /* a line end that is content only if no delimiter follows */
	size_t eol_n;
};

struct mime_scan *mime_scan_new(void)
{
	struct mime_scan *s = mem_zalloc(sizeof(*s));

	buf_init(&s->header, HEADER_BYTES_MAX);
	buf_init(&s->line, LINE_MAX);
	buf_init(&s->decoded, COUNT_STEP + MIME_DECODER_EXTRA);
	s->blank_line = true;
	return s;
}

void mime_scan_free(struct mime_scan *s)
{
	if (!s)
		return;
	arena_release(&s->arena);
	buf_release(&s->header);
	buf_release(&s->line);
	buf_release(&s->decoded);
	mime_decoder_free(s->decoder);
	free(s);
}

/* True when the innermost multipart is of this kind. */
static bool is_in(const struct mime_scan *s, enum multipart kind)
{
	return s->depth && s->frame[s->depth - 1].kind == kind;
}

static enum multipart kind_of(struct slice type)
{
	if (slice_eq(type, S("multipart/alternative")))
		return MULTIPART_ALTERNATIVE;
	if (slice_eq(type, S("multipart/related")))
		return MULTIPART_RELATED;
	return slice_eq(type, S("multipart/digest")) ? MULTIPART_DIGEST : MULTIPART_MIXED;
}

/* True when every alternative around the part takes its body of this role from this child. */
static bool is_first_choice(const struct mime_scan *s, enum mime_role role)
{
	for (size_t i = 0; i < s->depth; i++) {
		const struct frame *f = &s->frame[i];

		if (f->kind == MULTIPART_ALTERNATIVE && f->body_child[role] &&
		    f->body_child[role] != f->child)
			return false;
	}
	return true;
}

static enum mime_role role_of(struct mime_scan *s, const struct mime_part *p)
{
	enum mime_role role = slice_eq(p->type, S("text/plain"))  ? MIME_BODY_TEXT
			      : slice_eq(p->type, S("text/html")) ? MIME_BODY_HTML
								  : MIME_ATTACHMENT;

	if (role == MIME_ATTACHMENT || slice_eq(p->disposition, S("attachment")) ||
	    (p->filename.n && s->depth) || !is_first_choice(s, role))
		return MIME_ATTACHMENT;
	for (size_t i = 0; i < s->depth; i++)
		s->frame[i].body_child[role] = s->frame[i].child;
	return role;
}

/* --- opening and closing --- */

static void copy_part(const struct mime_part *from, struct arena *a, struct mime_part *ret)
{
	*ret = *from;
	ret->type = arena_slice(a, from->type);
	ret->charset = arena_slice(a, from->charset);
	ret->filename = arena_slice(a, from->filename);
	ret->content_id = arena_slice(a, from->content_id);
}

static void open_leaf(struct mime_scan *s, const struct mime_part_header *h, struct slice type,
		      struct arena *a)
{
	const struct mime_part part = mime_part_of(h, type, a);
	struct mime_part *p = &s->v[s->n++];

	copy_part(&part, &s->arena, p);
	p->start = s->offset;
	p->shown = slice_eq(p->disposition, S("inline")) ||
		   (p->disposition.n == 0 && p->content_id.n && is_in(s, MULTIPART_RELATED));
	p->role = role_of(s, p);
	if (p->encoding != MIME_IDENTITY)
		s->decoder = mime_decoder_new(p->encoding);
	s->state = IN_LEAF;
}

static bool open_multipart(struct mime_scan *s, const struct mime_part_header *h, struct arena *a)
{
	struct slice boundary = mime_field_bytes(&h->type, S("boundary"), a);
	struct frame *f;

	if (!slice_starts(h->type_name, S("multipart/")) || boundary.n == 0 ||
	    boundary.n > MIME_BOUNDARY_MAX || s->depth == MIME_DEPTH_MAX)
		return false;
	f = &s->frame[s->depth++];
	*f = (struct frame){ .kind = kind_of(h->type_name), .boundary_n = boundary.n };
	memcpy(f->boundary, boundary.p, boundary.n);
	s->state = IN_BETWEEN;
	return true;
}

/* Without a type a part is text, or a message in a digest; a mail without a boundary is text too.
 */
static struct slice leaf_type(const struct mime_scan *s, struct slice given, bool root)
{
	if (given.n == 0 && is_in(s, MULTIPART_DIGEST))
		return S("message/rfc822");
	if (given.n == 0 || (root && slice_starts(given, S("multipart/"))))
		return S("text/plain");
	return given;
}

/* The header is complete: what it begins is a leaf or a multipart. */
static void end_header(struct mime_scan *s)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	bool root = s->counted == 0;
	struct slice text = buf_slice(&s->header);
	struct mime_part_header h;

	if (root)
		text = s->root_header = arena_slice(&s->arena, text);
	s->eol_n = 0;
	if (s->counted++ == MIME_PARTS_MAX) {
		s->limited = true;
		s->state = IN_NOTHING;
		return;
	}
	mime_part_header_read(text, &a, &h);
	if (!open_multipart(s, &h, &a))
		open_leaf(s, &h, leaf_type(s, h.type_name, root), &a);
}

static void count(struct mime_scan *s, struct slice bytes)
{
	while (s->decoder && bytes.n) {
		struct slice step = slice_sub(bytes, 0, COUNT_STEP);

		buf_reset(&s->decoded);
		mime_decoder_feed(s->decoder, step, &s->decoded);
		s->v[s->n - 1].size += (int64_t)s->decoded.len;
		bytes = slice_sub(bytes, step.n, bytes.n);
	}
}

static void close_leaf(struct mime_scan *s, int64_t end)
{
	struct mime_part *p = &s->v[s->n - 1];

	p->end = end > p->start ? end : p->start;
	if (s->decoder) {
		buf_reset(&s->decoded);
		mime_decoder_end(s->decoder, &s->decoded);
		p->size += (int64_t)s->decoded.len;
		mime_decoder_free(TAKE(s->decoder));
	} else {
		p->size = p->end - p->start;
	}
}

/* A part may end inside its header, with `end` then, and has no content in that case. */
static void close_part(struct mime_scan *s, int64_t end)
{
	if (s->state == IN_HEADER)
		end_header(s);
	if (s->state == IN_LEAF)
		close_leaf(s, end);
}

/* --- lines --- */

static bool is_padding(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr(" \t\r\n", s.p[i]) || s.p[i] == '\0')
			return false;
	return true;
}

/* True when the line is a delimiter of this frame (RFC 2046 5.1.1). */
static bool is_delimiter(const struct frame *f, struct slice line, bool *ret_last)
{
	struct slice rest = slice_sub(line, 2, line.n);

	if (!slice_starts(line, S("--")) ||
	    !slice_starts(rest, slice_of(f->boundary, f->boundary_n)))
		return false;
	rest = slice_sub(rest, f->boundary_n, rest.n);
	*ret_last = slice_starts(rest, S("--"));
	return is_padding(*ret_last ? slice_sub(rest, 2, rest.n) : rest);
}

static void begin_part(struct mime_scan *s, struct frame *f)
{
	f->child++;
	buf_release(&s->header);
	buf_init(&s->header, MIME_HEADER_MAX);
	s->state = IN_HEADER;
}

/* A delimiter of an outer multipart ends the inner ones too. */
static bool take_delimiter(struct mime_scan *s, struct slice line)
{
	bool last;

	for (size_t i = s->depth; i-- > 0;) {
		if (!is_delimiter(&s->frame[i], line, &last))
			continue;
		close_part(s, s->line_start - (int64_t)s->eol_n);
		s->eol_n = 0;
		if (s->state == IN_NOTHING)
			return true;
		s->depth = i + !last;
		s->state = IN_BETWEEN;
		if (!last)
			begin_part(s, &s->frame[i]);
		return true;
	}
	return false;
}

static void take_content(struct mime_scan *s, struct slice bytes)
{
	size_t n = bytes.n;

	if (s->eol_n == 1 && s->eol[0] == '\r' && slice_eq(bytes, S("\n"))) {
		s->eol[s->eol_n++] = '\n';
		return;
	}
	count(s, slice_of(s->eol, s->eol_n));
	if (n && bytes.p[n - 1] == '\n')
		n--;
	if (n && bytes.p[n - 1] == '\r')
		n--;
	count(s, slice_sub(bytes, 0, n));
	s->eol_n = bytes.n - n;
	memcpy(s->eol, bytes.p + n, s->eol_n);
}

static void take_header(struct mime_scan *s, struct slice bytes)
{
	if (s->header.max - s->header.len >= bytes.n)
		buf_add_slice(&s->header, bytes);
	else
		s->header.max = s->header.len; /* full: a later field must not follow a cut one */
}

static void take_bytes(struct mime_scan *s, struct slice bytes)
{
	if (s->state == IN_HEADER)
		take_header(s, bytes);
	else if (s->state == IN_LEAF)
		take_content(s, bytes);
	else
		s->eol_n = 0;
}

static void flush_line(struct mime_scan *s)
{
	struct slice line = buf_slice(&s->line);

	if (line.n)
		take_bytes(s, line);
	buf_reset(&s->line);
}

/* Keeps a line that may become a delimiter until that is clear. */
static bool hold_line(struct mime_scan *s, struct slice bytes)
{
	struct slice marks;

	if (s->depth == 0 || s->plain_line)
		return false;
	if (s->line.len + bytes.n <= LINE_MAX) {
		buf_add_slice(&s->line, bytes);
		marks = slice_sub(buf_slice(&s->line), 0, 2);
		if (slice_starts(S("--"), marks))
			return true;
		flush_line(s);
		s->plain_line = true;
		return true;
	}
	flush_line(s);
	s->plain_line = true;
	return false;
}

static void end_line(struct mime_scan *s)
{
	bool delimiter = s->line.len && take_delimiter(s, buf_slice(&s->line));

	if (delimiter)
		buf_reset(&s->line);
	else
		flush_line(s);
	if (!delimiter && s->state == IN_HEADER && s->blank_line)
		end_header(s);
	s->line_start = s->offset;
	s->plain_line = false;
	s->blank_line = true;
}

/* A line or a part of one. */
static void take_line(struct mime_scan *s, struct slice bytes, bool ends)
{
	s->offset += (int64_t)bytes.n;
	s->blank_line = s->blank_line && is_padding(bytes) && slice_find(bytes, ' ') < 0 &&
			slice_find(bytes, '\t') < 0;
	if (!hold_line(s, bytes))
		take_bytes(s, bytes);
	if (ends)
		end_line(s);
}

void mime_scan_feed(struct mime_scan *s, struct slice bytes)
{
	while (bytes.n && !mime_scan_done(s)) {
		const char *lf = memchr(bytes.p, '\n', bytes.n);
		size_t n = lf ? (size_t)(lf - bytes.p) + 1 : bytes.n;

		take_line(s, slice_sub(bytes, 0, n), lf != NULL);
		bytes = slice_sub(bytes, n, bytes.n);
	}
}

bool mime_scan_done(const struct mime_scan *s)
{
	return s->state == IN_NOTHING || (s->state == IN_BETWEEN && s->depth == 0);
}

void mime_scan_end(struct mime_scan *s, struct arena *a, struct mime_tree *ret)
{
	if (!s->line.len || !take_delimiter(s, buf_slice(&s->line)))
		flush_line(s);
	if (s->state == IN_LEAF)
		count(s, slice_of(s->eol, s->eol_n));
	close_part(s, s->offset);
	*ret = (struct mime_tree){ .n = s->n, .limited = s->limited };
	ret->v = arena_calloc(a, s->n, sizeof(*ret->v));
	for (size_t i = 0; i < s->n; i++)
		copy_part(&s->v[i], a, &ret->v[i]);
	header_parse(arena_slice(a, s->root_header), a, &ret->header);
}
