/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libopendkim as a signer. It must never be given a name that could end its
 * tag: the library prints domain and selector as they are. It copies keys as
 * strings, so only PEM will do.
 */
#include "deliverd/dkim_sign.h"

#include "common/base/crypto.h"
#include "common/mail/addr.h"
#include "common/mail/header.h"

#include <stddef.h>
#include <sys/types.h>

#include <opendkim/dkim.h>

#define FIELD_NAME DKIM_SIGNHEADER ": "

enum { SECONDS_A_DAY = 24 * 60 * 60, SELECTOR_MAX = 63 };

/* Signed once more than they are there, so that none can be added. */
static const char *const oversigned[] = {
	"From",
	"To",
	"Cc",
	"Subject",
	"Date",
	"Reply-To",
	"Message-ID",
	"In-Reply-To",
	"References",
	"MIME-Version",
	"Content-Type",
	"Content-Transfer-Encoding",
	"Content-Disposition",
	NULL,
};

struct dkim_signer {
	DKIM_LIB *lib;
};

/*
 * What the library allocates for one mail. The key is among it, so it is wiped;
 * and a key that cannot be read is never freed by the library itself.
 */
struct block {
	struct block *next, **at;
	size_t n;
	max_align_t data[];
};

static void *lend(void *list, size_t n)
{
	struct block **head = list, *b = mem_alloc(sizeof(*b) + n);

	b->n = n;
	b->next = head ? *head : NULL;
	b->at = head;
	if (head)
		*head = b;
	if (b->next)
		b->next->at = &b->next;
	return b->data;
}

static void give_back(void *list, void *p)
{
	struct block *b;

	(void)list; /* it may have another head by now */
	if (!p)
		return;
	b = (struct block *)((char *)p - offsetof(struct block, data));
	if (b->at)
		*b->at = b->next;
	if (b->next)
		b->next->at = b->at;
	crypto_wipe(b->data, b->n);
	free(b);
}

static void give_back_all(struct block **list)
{
	while (*list)
		give_back(list, (*list)->data);
}

static void dkim_freepp(DKIM **d)
{
	if (*d)
		dkim_free(*d);
}

enum err dkim_signer_new(int64_t wait_s, struct dkim_signer **ret, struct fail *fail)
{
	AUTO(dkim_signer_freep) struct dkim_signer *s = mem_zalloc(sizeof(*s));
	const char *const *names = oversigned;
	uint64_t ttl = DKIM_SIGN_DAYS * SECONDS_A_DAY + (uint64_t)wait_s;

	s->lib = dkim_init(lend, give_back);
	if (!s->lib ||
	    dkim_options(s->lib, DKIM_OP_SETOPT, DKIM_OPTS_SIGNATURETTL, &ttl, sizeof(ttl)) !=
		    DKIM_STAT_OK ||
	    dkim_options(s->lib, DKIM_OP_SETOPT, DKIM_OPTS_OVERSIGNHDRS, (void *)(uintptr_t)names,
			 sizeof(names)) != DKIM_STAT_OK)
		return fail_set(fail, ERR_INTERNAL, "libopendkim cannot be set up");
	*ret = TAKE(s);
	return OK;
}

void dkim_signer_free(struct dkim_signer *s)
{
	if (!s)
		return;
	if (s->lib)
		dkim_close(s->lib);
	free(s);
}

static bool is_selector(struct slice s)
{
	return s.n > 0 && s.n <= SELECTOR_MAX && slice_only(s, "-.") && !slice_starts(s, S(".")) &&
	       !slice_ends(s, S("."));
}

static enum err check_names(const struct dkim_sign_key *key, struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	struct slice domain;

	if (addr_domain(key->domain, &a, &domain) || !slice_eq(domain, key->domain))
		return fail_set(fail, ERR_INPUT, "no domain that mail can be signed for");
	return is_selector(key->selector) ? OK : fail_set(fail, ERR_INPUT, "no DKIM selector");
}

/* A copy of the key that ends with NUL, for as long as the library reads it. */
static DKIM *open_handle(const struct dkim_signer *s, const struct dkim_sign_key *key,
			 struct block **list)
{
	AUTO(mem_freep) char *domain = mem_dup(key->domain.p, key->domain.n);
	AUTO(mem_freep) char *selector = mem_dup(key->selector.p, key->selector.n);
	char *pem = mem_dup(key->private_key.p, key->private_key.n);
	DKIM_STAT status;
	DKIM *d = dkim_sign(s->lib, (const u_char *)"e2a", list, (dkim_sigkey_t)pem,
			    (const u_char *)selector, (const u_char *)domain, DKIM_CANON_RELAXED,
			    DKIM_CANON_RELAXED, DKIM_SIGN_RSASHA256, -1, &status);

	crypto_wipe(pem, key->private_key.n);
	free(pem);
	return d;
}

/* The library takes bytes that it does not change as if it did. */
static u_char *bytes_of(struct slice s)
{
	return (u_char *)(uintptr_t)s.p;
}

static enum err feed_header(DKIM *d, const struct header *h, struct fail *fail)
{
	DKIM_STAT status = DKIM_STAT_OK;

	if (h->n == 0 || h->bad || h->limited)
		return fail_set(fail, ERR_INPUT, "no header that can be signed");
	for (size_t i = 0; i < h->n && status == DKIM_STAT_OK; i++) {
		struct slice field = h->v[i].raw;

		field.n -= slice_ends(field, S("\r\n")) ? 2 : 0;
		status = dkim_header(d, bytes_of(field), field.n);
	}
	if (status == DKIM_STAT_OK)
		status = dkim_eoh(d);
	return status == DKIM_STAT_OK ? OK
				      : fail_set(fail, ERR_INPUT, "the header cannot be signed");
}

/* The only thing left that can fail from outside is the key. */
static enum err finish(DKIM *d, struct slice body, struct buf *ret, struct fail *fail)
{
	u_char *value;
	size_t n;

	if (body.n && dkim_body(d, bytes_of(body), body.n) != DKIM_STAT_OK)
		return fail_set(fail, ERR_INTERNAL, "libopendkim cannot read the body");
	if (dkim_eom(d, NULL) != DKIM_STAT_OK)
		return fail_set(fail, ERR_CRYPTO, "the DKIM key cannot be used");
	if (dkim_getsighdr_d(d, sizeof(FIELD_NAME) - 1, &value, &n) != DKIM_STAT_OK)
		return fail_set(fail, ERR_INTERNAL, "libopendkim made no signature");
	buf_add_str(ret, FIELD_NAME);
	buf_add(ret, value, n);
	buf_add_str(ret, "\r\n");
	return buf_failed(ret) ? fail_set(fail, ERR_TOO_BIG, "no room for the signature") : OK;
}

enum err dkim_signer_sign(const struct dkim_signer *s, const struct dkim_sign_key *key,
			  struct slice mail, struct buf *ret, struct fail *fail)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	AUTO(give_back_all) struct block *list = NULL;
	AUTO(dkim_freepp) DKIM *d = NULL; /* freed before the list */
	enum err e = check_names(key, fail);
	struct header h;

	if (e)
		return e;
	d = open_handle(s, key, &list);
	if (!d)
		return fail_set(fail, ERR_INTERNAL, "libopendkim gave no handle");
	header_parse(mail, &a, &h);
	e = feed_header(d, &h, fail);
	return e ? e : finish(d, slice_sub(mail, h.body, mail.n), ret, fail);
}
