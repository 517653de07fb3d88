/* SPDX-License-Identifier: Apache-2.0 */
/* The rules for slugs, in the order in which users are told of them. */
#include "apid/slug.h"

#include "common/base/mem.h"

enum { SLUG_MIN = 2, SLUG_MAX = 40 };

static const char *const reserved[] = {
	"admin", "postmaster", "abuse",  "noreply", "no-reply",     "mailer-daemon",
	"info",  "help",       "demo",   "test",    "www",          "mail",
	"agent", "api",        "system", "root",    "hitl-noreply",
};

static bool well_formed(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool inside = i > 0 && i + 1 < s.n;

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(inside && c == '-'))
			return false;
	}
	return true;
}

enum err slug_check(struct slice slug, struct buf *ret_reason)
{
	if (slug.n < SLUG_MIN || slug.n > SLUG_MAX) {
		buf_add_str(ret_reason, "slug must be 2\xe2\x80\x93"
					"40 characters");
		return ERR_INPUT;
	}
	if (!well_formed(slug)) {
		buf_add_str(ret_reason, "slug must be lowercase alphanumeric with hyphens, "
					"no leading/trailing hyphens");
		return ERR_INPUT;
	}
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (slice_eq(slug, slice_str(reserved[i]))) {
			buf_addf(ret_reason, "slug \"%s\" is reserved", reserved[i]);
			return ERR_INPUT;
		}
	return OK;
}
