/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of parts. A thousand parts go into one answer: no name here may be long. */
#include "common/mail/mime_part.h"

#include "common/base/utf8.h"

enum { CONTENT_ID_MAX = 255, CHARSET_MAX = 40 };

static struct slice field_of(const struct header *h, const char *name)
{
	const struct header_field *f = header_first(h, slice_str(name));

	return f ? f->value : S("");
}

static struct slice lower(struct slice s, struct arena *a)
{
	char *out = arena_dup(a, s);

	for (size_t i = 0; i < s.n; i++)
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] = (char)(out[i] | 0x20);
	return slice_of(out, s.n);
}

static struct slice first_word(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t')
		n++;
	return slice_sub(s, 0, n);
}

static struct slice type_name(const struct mime_field *type, struct arena *a)
{
	if (mime_is_media_type(type->value))
		return lower(type->value, a);
	return type->value.n ? S("application/octet-stream") : S("");
}

static struct slice charset_of(const struct mime_field *type, struct arena *a)
{
	struct slice name = first_word(mime_field_bytes(type, S("charset"), a));

	return name.n > CHARSET_MAX || slice_has_ctl(name) || !utf8_valid(name) ? S("") : name;
}

static struct slice content_id(const struct header *h, struct arena *a)
{
	struct slice id = slice_trim(header_unfold(a, field_of(h, "Content-ID")));

	if (slice_starts(id, S("<")) && slice_ends(id, S(">")))
		id = slice_sub(id, 1, id.n - 1);
	return slice_has_ctl(id) ? S("") : utf8_cut(utf8_clean(a, id), CONTENT_ID_MAX);
}

static struct slice filename_of(const struct mime_field *disposition, const struct mime_field *type,
				struct arena *a)
{
	struct slice name = mime_field_text(disposition, S("filename"), a);

	return mime_safe_filename(name.n ? name : mime_field_text(type, S("name"), a), a);
}

static struct slice disposition_of(const struct mime_field *f)
{
	if (f->value.n == 0)
		return S("");
	return slice_ieq(f->value, S("inline")) ? S("inline") : S("attachment");
}

void mime_part_header_read(struct slice text, struct arena *a, struct mime_part_header *ret)
{
	header_parse(text, a, &ret->fields);
	mime_field_parse(field_of(&ret->fields, "Content-Type"), a, &ret->type);
	ret->type_name = type_name(&ret->type, a);
}

struct mime_part mime_part_of(const struct mime_part_header *h, struct slice type, struct arena *a)
{
	struct mime_field disposition;
	struct slice encoding = field_of(&h->fields, "Content-Transfer-Encoding");

	mime_field_parse(field_of(&h->fields, "Content-Disposition"), a, &disposition);
	return (struct mime_part){
		.type = type,
		.charset = charset_of(&h->type, a),
		.encoding = mime_encoding_of(first_word(slice_trim(header_unfold(a, encoding)))),
		.disposition = disposition_of(&disposition),
		.filename = filename_of(&disposition, &h->type, a),
		.content_id = content_id(&h->fields, a),
	};
}
