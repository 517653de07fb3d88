/* SPDX-License-Identifier: Apache-2.0 */
/* Values of answers as text. */
#include "cli/fields.h"

#include "common/base/clock.h"

enum { LIST_BYTES_MAX = 1 << 20 };

struct slice fields_list(const struct doc *d, const char *name, struct arena *a)
{
	AUTO(buf_release) struct buf b = BUF_INIT(LIST_BYTES_MAX);
	const struct doc *list = doc_get(d, name);

	for (size_t i = 0; i < doc_count(list); i++) {
		buf_add_str(&b, i ? ", " : "");
		buf_add_slice(&b, doc_value_text(doc_at(list, i)));
	}
	if (buf_failed(&b))
		return S("...");
	return b.len ? arena_slice(a, buf_slice(&b)) : doc_text(d, name);
}

struct slice fields_time(const struct doc *d, const char *name, struct arena *a)
{
	char text[CLOCK_TEXT_MAX];
	int64_t us;

	if (clock_parse_rfc3339(doc_text(d, name), &us))
		return doc_text(d, name);
	clock_rfc3339_s(us, text);
	return slice_str(arena_strdup(a, text));
}
