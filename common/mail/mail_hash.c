/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two running SHA-256, one over the header fields, one over the body. Two
 * lists of fields must never hash alike, whatever their bytes are.
 */
#include "common/mail/mail_hash.h"

#include "common/base/crypto.h"

struct mail_hash {
	struct sha256 *header;
	struct sha256 *body;
};

struct mail_hash *mail_hash_new(void)
{
	struct mail_hash *h = mem_alloc(sizeof(*h));

	h->header = sha256_new();
	h->body = sha256_new();
	return h;
}

void mail_hash_free(struct mail_hash *h)
{
	if (!h)
		return;
	sha256_free(h->header);
	sha256_free(h->body);
	free(h);
}

/* Cuts one line off, without its LF or CR LF; *ret_lf tells whether there was one. */
static struct slice next_line(struct slice *rest, bool *ret_lf)
{
	struct slice line = { NULL, 0 };

	slice_cut(rest, '\n', &line);
	*ret_lf = rest->p != NULL;
	if (*ret_lf && slice_ends(line, S("\r")))
		line.n--;
	return line;
}

static size_t hashed_len(struct slice value)
{
	size_t n = 0;
	bool lf = true;

	while (lf)
		n += next_line(&value, &lf).n + lf;
	return n;
}

static void add_length(struct sha256 *h, uint64_t n)
{
	char be[8];

	for (int i = 0; i < 8; i++)
		be[i] = (char)(n >> (56 - 8 * i));
	sha256_add(h, slice_of(be, sizeof(be)));
}

void mail_hash_field(struct mail_hash *h, struct slice name, struct slice value)
{
	bool lf = true;

	add_length(h->header, name.n + 1 + hashed_len(value) + 1);
	sha256_add(h->header, name);
	sha256_add(h->header, S(":"));
	while (lf) {
		sha256_add(h->header, next_line(&value, &lf));
		if (lf)
			sha256_add(h->header, S("\n"));
	}
	sha256_add(h->header, S("\n"));
}

void mail_hash_body(struct mail_hash *h, struct slice chunk)
{
	sha256_add(h->body, chunk);
}

void mail_hash_finish(struct mail_hash *h, uint8_t ret_header[32], uint8_t ret_body[32])
{
	sha256_finish(TAKE(h->header), ret_header);
	sha256_finish(TAKE(h->body), ret_body);
	mail_hash_free(h);
}
