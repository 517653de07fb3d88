/* SPDX-License-Identifier: Apache-2.0 */
/* The claims of an id_token. Each one is asked for; none has a default. */
#include "apid/oidc_token.h"

#include "apid/oidc_doc.h"
#include "common/base/crypto.h"
#include "common/base/mem.h"

enum { PART_MAX = 64 * 1024 };

static enum err refuse(struct fail *fail, const char *what)
{
	return fail_set(fail, ERR_FORBIDDEN, "the id_token %s", what);
}

static enum err check_algorithm(struct slice header, struct arena *a, struct fail *fail)
{
	struct slice alg = S("");
	enum err e = oidc_doc_alg(header, a, &alg, fail);

	if (e)
		return e;
	return alg.n == 0 || slice_ieq(alg, S("none")) ? refuse(fail, "is not signed") : OK;
}

static bool is_for(const struct oidc_claims *c, struct slice client_id)
{
	bool found = false;

	for (size_t i = 0; i < c->aud_n; i++)
		found = found || slice_eq(c->aud[i], client_id);
	/* Among several audiences the authorized party says whose it is. */
	if (c->azp.n || c->aud_n > 1)
		found = found && slice_eq(c->azp, client_id);
	return found;
}

static enum err check_claims(const struct oidc_claims *c, const struct oidc_expect *x,
			     struct fail *fail)
{
	if (!slice_eq(c->iss, x->issuer))
		return refuse(fail, "is of another issuer");
	if (!is_for(c, x->client_id))
		return refuse(fail, "is for somebody else");
	if (!crypto_equal(c->nonce, x->nonce))
		return refuse(fail, "belongs to another sign-in");
	if (x->now_s >= c->exp_s)
		return refuse(fail, "has expired");
	if (c->iat_s > x->now_s + OIDC_SKEW_S || c->iat_s < x->now_s - OIDC_AGE_MAX_S)
		return refuse(fail, "was not issued now");
	if (c->sub.n == 0 || c->sub.n > OIDC_SUBJECT_MAX || slice_has_ctl(c->sub))
		return refuse(fail, "has no usable subject");
	return OK;
}

enum err oidc_token_check(struct slice jws, const struct oidc_expect *expect, struct arena *a,
			  struct slice *ret_subject, struct fail *fail)
{
	AUTO(buf_release) struct buf header = BUF_INIT(PART_MAX);
	AUTO(buf_release) struct buf payload = BUF_INIT(PART_MAX);
	AUTO(buf_release) struct buf signature = BUF_INIT(PART_MAX);
	struct slice rest = jws, part[3] = { { 0 } };
	struct oidc_claims claims;
	size_t n = 0;
	enum err e;

	while (n < 3 && slice_cut(&rest, '.', &part[n]))
		n++;
	if (n != 3 || rest.p || part[2].n == 0 || base64url_decode(part[0], &header) ||
	    base64url_decode(part[1], &payload) || base64url_decode(part[2], &signature))
		return fail_set(fail, ERR_INPUT, "the id_token is malformed");
	if ((e = check_algorithm(buf_slice(&header), a, fail)) ||
	    (e = oidc_doc_claims(buf_slice(&payload), a, &claims, fail)) ||
	    (e = check_claims(&claims, expect, fail)))
		return e;
	*ret_subject = claims.sub;
	return OK;
}
