/* SPDX-License-Identifier: Apache-2.0 */
/* Reads notices. Their number may be large, so each is one piece of memory and bounded. */
#include "cli/notice.h"

#include "common/base/utf8.h"

enum { TEXTS = 4 };

static struct slice first_of(const struct doc *d, const char *name, const char *other)
{
	struct slice s = doc_text(d, name);

	return s.n ? s : doc_text(d, other);
}

/* Copies the texts, each with a NUL, behind the notice. A NUL inside cuts what is only shown. */
static struct notice *make(const struct slice text[TEXTS])
{
	size_t room = sizeof(struct notice);
	struct notice *n;
	char *p;

	for (size_t i = 0; i < TEXTS; i++)
		room += text[i].n + 1;
	n = mem_zalloc(room);
	p = (char *)(n + 1);
	const char **places[TEXTS] = { &n->id, &n->from, &n->subject, &n->time };
	for (size_t i = 0; i < TEXTS; i++) {
		if (text[i].n)
			memcpy(p, text[i].p, text[i].n);
		*places[i] = p;
		p += text[i].n + 1;
	}
	return n;
}

struct notice *notice_read(const struct doc *d)
{
	struct slice id = doc_text(d, "message_id");
	struct slice text[TEXTS] = {
		id,
		utf8_cut(doc_text(d, "from"), NOTICE_TEXT_MAX),
		utf8_cut(doc_text(d, "subject"), NOTICE_TEXT_MAX),
		utf8_cut(first_of(d, "received_at", "created_at"), NOTICE_TEXT_MAX),
	};

	if (id.n == 0 || id.n > NOTICE_ID_MAX || slice_find(id, '\0') >= 0)
		return NULL;
	return make(text);
}

void notice_free(struct notice *n)
{
	free(n);
}
