/* SPDX-License-Identifier: Apache-2.0 */
/* Header fields for readers. They are the sender's claims and decide nothing here. */
#include "apid/message_header.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/mime.h"

enum { LINE_MAX = 998 };

static struct slice value_of(const struct header *h, const char *name)
{
	const struct header_field *f = header_first(h, slice_str(name));

	return f ? f->value : S("");
}

static struct slice line_of(const struct header *h, const char *name, struct arena *a)
{
	return utf8_cut(utf8_clean(a, header_unfold(a, value_of(h, name))), LINE_MAX);
}

static void key_text_or_null(struct jsonw *w, const char *key, struct slice s)
{
	jsonw_key(w, key);
	if (s.n)
		jsonw_text(w, utf8_cut(s, LINE_MAX));
	else
		jsonw_null(w);
}

static void key_date(struct jsonw *w, const struct header *h, struct arena *a)
{
	char text[CLOCK_TEXT_MAX] = "";
	int64_t date_us;

	if (mime_date(line_of(h, "Date", a), a, &date_us) == OK)
		clock_rfc3339_s(date_us, text);
	key_text_or_null(w, "date", slice_str(text));
}

static void texts(struct jsonw *w, const struct slice *v, size_t n)
{
	jsonw_array(w);
	for (size_t i = 0; i < n; i++)
		jsonw_text(w, utf8_cut(v[i], LINE_MAX));
	jsonw_array_end(w);
}

static void key_thread(struct jsonw *w, const struct header *h, struct arena *a)
{
	struct slice *ids = arena_calloc(a, REFERENCES_MAX, sizeof(*ids));
	size_t n = header_msgids(value_of(h, "In-Reply-To"), ids, 1);

	key_text_or_null(w, "in_reply_to", n ? ids[0] : S(""));
	n = header_msgids(value_of(h, "References"), ids, REFERENCES_MAX);
	jsonw_key(w, "references");
	texts(w, ids, n);
}

/* What stands in angle brackets (RFC 2369 2). */
static size_t uris(struct slice line, struct slice ret[LIST_URIS_MAX])
{
	struct slice head, uri;
	size_t n = 0;

	while (n < LIST_URIS_MAX && slice_cut(&line, '<', &head) && line.p &&
	       slice_cut(&line, '>', &uri))
		if (slice_trim(uri).n)
			ret[n++] = slice_trim(uri);
	return n;
}

static void key_uris(struct jsonw *w, const char *key, struct slice line)
{
	struct slice v[LIST_URIS_MAX];

	jsonw_key(w, key);
	texts(w, v, uris(line, v));
}

static void key_list(struct jsonw *w, const struct header *h, struct arena *a)
{
	struct slice id = line_of(h, "List-Id", a), in_brackets[LIST_URIS_MAX];
	struct slice unsubscribe = line_of(h, "List-Unsubscribe", a);
	struct slice post = line_of(h, "List-Post", a);

	jsonw_key(w, "list");
	if (id.n + unsubscribe.n + post.n == 0) {
		jsonw_null(w);
		return;
	}
	jsonw_object(w);
	key_text_or_null(w, "id", uris(id, in_brackets) ? in_brackets[0] : id);
	key_uris(w, "unsubscribe", unsubscribe);
	key_uris(w, "post", post);
	jsonw_object_end(w);
}

void message_header_json(const struct header *h, struct arena *a, struct jsonw *w)
{
	key_date(w, h, a);
	key_thread(w, h, a);
	key_text_or_null(w, "precedence", line_of(h, "Precedence", a));
	key_list(w, h, a);
}
