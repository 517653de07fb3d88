/* SPDX-License-Identifier: Apache-2.0 */
/* Forms in parts. Hostile text: what cannot be read has no fields. */
#include "apid/form_data.h"

#include "common/mail/mime_param.h"
#include "common/mail/mime_tree.h"

static const struct slice head_name = SLICE_INIT("Content-Type: "),
			  head_end = SLICE_INIT("\r\n\r\n");

bool form_data_is(struct slice content_type)
{
	struct slice rest = content_type, type;

	return slice_cut(&rest, ';', &type) &&
	       slice_ieq(slice_trim(type), S("multipart/form-data"));
}

/* What stands between the last delimiter line and a part's bytes. */
static struct slice header_of(struct slice before, struct slice boundary)
{
	struct slice rest = before, line, header = S("");

	while (slice_cut(&rest, '\n', &line))
		if (slice_starts(line, S("--")) &&
		    slice_starts(slice_sub(line, 2, line.n), boundary))
			header = rest;
	return header;
}

static bool is_named(struct slice header, struct slice name, struct arena *a)
{
	const struct header_field *f;
	struct mime_field disposition;
	struct header h;

	header_parse(header, a, &h);
	f = header_first(&h, S("Content-Disposition"));
	if (!f)
		return false;
	mime_field_parse(f->value, a, &disposition);
	return slice_ieq(disposition.value, S("form-data")) &&
	       slice_eq(mime_field_bytes(&disposition, S("name"), a), name);
}

/* Reads the body as if it were that of a mail. */
static void scan(struct slice content_type, struct slice body, struct arena *a,
		 struct mime_tree *ret)
{
	AUTO(mime_scan_freep) struct mime_scan *s = mime_scan_new();

	mime_scan_feed(s, head_name);
	mime_scan_feed(s, content_type);
	mime_scan_feed(s, head_end);
	mime_scan_feed(s, body);
	mime_scan_end(s, a, ret);
}

struct slice form_data_field(struct slice content_type, struct slice body, struct slice name,
			     struct arena *a)
{
	const size_t skip = head_name.n + content_type.n + head_end.n;
	struct slice boundary;
	struct mime_field type;
	struct mime_tree tree;
	size_t from = 0;

	if (!form_data_is(content_type) || slice_has_ctl(content_type))
		return slice_of(NULL, 0);
	mime_field_parse(content_type, a, &type);
	boundary = mime_field_bytes(&type, S("boundary"), a);
	scan(content_type, body, a, &tree);
	for (size_t i = 0; boundary.n && i < tree.n; i++) {
		size_t start = (size_t)tree.v[i].start - skip, end = (size_t)tree.v[i].end - skip;

		if (is_named(header_of(slice_sub(body, from, start), boundary), name, a))
			return slice_sub(body, start, end);
		from = end;
	}
	return slice_of(NULL, 0);
}
