/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives one evaluation: fetches and vets the first record, hands it to a
 * helper and answers its questions within the limits. Whatever the helper
 * says, a limit that was passed here decides.
 */
#include "milter/check_spf.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/mail/addr.h"
#include "milter/spf_count.h"
#include "milter/spf_vet.h"
#include "milter/spf_wire.h"

enum { LOCAL_PART_MAX = 64, QUESTION_MS = 5000 };

struct evaluation {
	struct dns *dns;
	struct arena *arena;
	int64_t deadline_ms;
	struct spf_context ctx; /* `domain` is set for each record */
	struct spf_count count;
	bool timed_out;
};

/* Picks the one SPF record. ERR_NOT_FOUND: none. ERR_INPUT: several, or one that is malformed. */
static enum err pick_record(struct evaluation *ev, struct slice domain,
			    const struct dns_answer *answer, struct slice *ret)
{
	AUTO(buf_release) struct buf vetted = BUF_INIT(SPF_VETTED_MAX);
	const struct slice *found = NULL;
	enum err e;

	for (size_t i = 0; i < answer->n; i++) {
		if (!spf_is_record(answer->v[i]))
			continue;
		if (found)
			return ERR_INPUT;
		found = &answer->v[i];
	}
	if (!found)
		return ERR_NOT_FOUND;
	ev->ctx.domain = domain;
	e = spf_vet(*found, &ev->ctx, &vetted);
	if (e == OK)
		*ret = arena_slice(ev->arena, buf_slice(&vetted));
	return e;
}

static enum err ask(struct evaluation *ev, struct slice name, enum dns_type type,
		    struct dns_answer *ret, bool *ret_nxdomain)
{
	int64_t deadline_ms = clock_mono_ms() + QUESTION_MS;
	enum err e;

	/* A name server that is silent must not keep a helper for the whole evaluation. */
	if (deadline_ms > ev->deadline_ms)
		deadline_ms = ev->deadline_ms;
	e = dns_query(ev->dns, name, type, deadline_ms, ev->arena, ret, ret_nxdomain);
	if (e == ERR_TIMEOUT)
		ev->timed_out = true;
	return e;
}

static const char *first_record(struct evaluation *ev, struct slice domain, struct slice *ret,
				enum auth_result *ret_result)
{
	struct dns_answer answer = { 0 };
	bool nxdomain = false;
	enum err e = ask(ev, domain, DNS_TXT, &answer, &nxdomain);

	if (e == OK)
		e = pick_record(ev, domain, &answer, ret);
	switch (e) {
	case OK:
		return NULL;
	case ERR_NOT_FOUND:
		*ret_result = AUTH_NONE;
		return "no_record";
	case ERR_INPUT:
		*ret_result = AUTH_PERMERROR;
		return "bad_record";
	case ERR_TOO_BIG:
		*ret_result = AUTH_PERMERROR;
		return "record_too_long";
	default:
		*ret_result = AUTH_TEMPERROR;
		return e == ERR_TIMEOUT ? "timeout" : "dns";
	}
}

/* A record of an include or redirect, vetted like the first; a bad one ends the evaluation. */
static void answer_txt(struct evaluation *ev, struct slice name, const struct dns_answer *answer,
		       struct spf_msg *m)
{
	switch (pick_record(ev, name, answer, &m->field[0])) {
	case OK:
		m->n = 1;
		break;
	case ERR_NOT_FOUND:
		m->code = SPF_NO_DATA;
		break;
	default:
		ev->count.exceeded = "bad_record";
		m->code = SPF_FAILED;
	}
}

static void answer_records(enum dns_type type, const struct dns_answer *answer, struct spf_msg *m)
{
	size_t max = type == DNS_MX || type == DNS_PTR ? SPF_NAMES_MAX : SPF_FIELDS_MAX;

	for (m->n = 0; m->n < answer->n && m->n < max; m->n++)
		m->field[m->n] = answer->v[m->n];
}

static void answer_query(struct evaluation *ev, struct slice name, enum dns_type type,
			 struct spf_msg *m)
{
	struct dns_answer answer = { 0 };
	bool nxdomain = false;
	enum err e;

	*m = (struct spf_msg){ .kind = SPF_ANSWER, .code = SPF_FAILED };
	if (!spf_count_query(&ev->count, name, type))
		return;
	e = ask(ev, name, type, &answer, &nxdomain);
	if (e == ERR_TOO_BIG)
		ev->count.exceeded = "record_too_long";
	if (e != OK && e != ERR_NOT_FOUND)
		return;
	spf_count_answer(&ev->count, name, type, &answer, nxdomain, ev->arena);
	if (ev->count.exceeded)
		return;
	if (e == ERR_NOT_FOUND) {
		m->code = nxdomain ? SPF_NO_NAME : SPF_NO_DATA;
		return;
	}
	m->code = SPF_FOUND;
	if (type == DNS_TXT)
		answer_txt(ev, name, &answer, m);
	else
		answer_records(type, &answer, m);
}

static bool type_known(uint8_t type)
{
	return type == DNS_A || type == DNS_AAAA || type == DNS_MX || type == DNS_PTR ||
	       type == DNS_TXT;
}

/* OK with a result; anything else and the helper is of no use any more. */
static enum err converse(struct evaluation *ev, int fd, const struct spf_msg *question,
			 enum auth_result *ret)
{
	char packet[SPF_PACKET_MAX];
	struct spf_msg m, reply;
	enum err e = spf_send(fd, question);

	while (e == OK) {
		e = spf_receive(fd, ev->deadline_ms, packet, &m);
		if (e)
			break;
		if (m.kind == SPF_RESULT && m.code < AUTH_RESULT_COUNT) {
			*ret = (enum auth_result)m.code;
			return OK;
		}
		if (m.kind != SPF_QUERY || m.n != 1 || !type_known(m.code))
			return ERR_INPUT;
		answer_query(ev, m.field[0], (enum dns_type)m.code, &reply);
		e = spf_send(fd, &reply);
	}
	return e;
}

static const char *decide(const struct evaluation *ev, enum err e, enum auth_result *result)
{
	if (ev->count.exceeded) {
		*result = AUTH_PERMERROR;
		return ev->count.exceeded;
	}
	if (e == OK && *result != AUTH_TEMPERROR)
		return NULL;
	*result = AUTH_TEMPERROR;
	if (ev->timed_out || e == ERR_TIMEOUT)
		return "timeout";
	return e == OK ? "dns" : "helper_died";
}

static const char *evaluate(struct evaluation *ev, struct spf_pool *pool,
			    const struct spf_msg *question, enum auth_result *ret)
{
	struct spf_helper *h;
	enum err e = spf_pool_take(pool, ev->deadline_ms, &h);

	*ret = AUTH_TEMPERROR;
	if (e)
		return e == ERR_TIMEOUT ? "helpers_busy" : "helper_start";
	e = converse(ev, spf_helper_fd(h), question, ret);
	spf_pool_give(pool, h, e == OK);
	return decide(ev, e, ret);
}

/* What macros may expand to: nothing that means something in a record or a name server. */
static struct slice harmless(struct arena *a, struct slice s, size_t max)
{
	size_t n = s.n < max ? s.n : max;
	char *p = arena_dup(a, slice_sub(s, 0, n));

	for (size_t i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] > '~' || strchr("%/@\\:", p[i]))
			p[i] = '_';
	return n > 0 ? slice_of(p, n) : S("unknown");
}

/* False when there is no domain to check. */
static bool identify(const struct spf_identity *id, struct arena *a, struct spf_context *ret)
{
	struct slice local = S("postmaster"), domain = id->helo;

	if (spf_client_parse(id->client_ip, &ret->client) != OK)
		return false;
	if (id->mail_from.n > 0 && !addr_split(id->mail_from, &local, &domain))
		return false;
	if (addr_domain(domain, a, &ret->sender_domain) != OK)
		return false;
	ret->local = harmless(a, local, LOCAL_PART_MAX);
	ret->helo = harmless(a, id->helo, SPF_DOMAIN_MAX);
	return true;
}

static struct slice sender_of(const struct spf_context *ctx, struct arena *a)
{
	return slice_str(arena_printf(a, "%.*s@%.*s", SLICE_ARGS(ctx->local),
				      SLICE_ARGS(ctx->sender_domain)));
}

void check_spf(struct spf_pool *pool, struct dns *dns, const struct spf_identity *id,
	       int64_t deadline_ms, struct arena *a, struct spf_outcome *ret)
{
	struct evaluation ev = { .dns = dns, .arena = a, .deadline_ms = deadline_ms };
	struct spf_msg m = { .kind = SPF_EVALUATE, .n = SPF_F_COUNT };

	*ret = (struct spf_outcome){ .result = AUTH_NONE, .reason = "no_identity" };
	if (!identify(id, a, &ev.ctx))
		return;
	ret->domain = ev.ctx.sender_domain;
	ret->reason = first_record(&ev, ret->domain, &m.field[SPF_F_RECORD], &ret->result);
	if (ret->reason)
		return;
	m.field[SPF_F_IP] = spf_client_text(&ev.ctx.client, a);
	m.field[SPF_F_HELO] = ev.ctx.helo;
	m.field[SPF_F_SENDER] = sender_of(&ev.ctx, a);
	m.field[SPF_F_DOMAIN] = ret->domain;
	ret->reason = evaluate(&ev, pool, &m, &ret->result);
}
