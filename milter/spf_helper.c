/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One evaluation at a time: compile the vetted record, interpret it, send
 * every question of the library to the milter. The entry points that answer
 * for loopback clients by themselves ("localhost always passes") and those
 * that fetch records or explanations are not used.
 */
#include "milter/spf_helper.h"

#include "common/base/arena.h"
#include "common/base/mem.h"
#include "common/mail/dns.h"
#include "common/mail/verdict.h"
#include "milter/spf_count.h"
#include "milter/spf_wire.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <spf2/spf.h>
#include <spf2/spf_dns.h>
#include <unistd.h>

static const struct {
	int errno_of_resolver;
	enum spf_answer answer;
} answers[] = {
	{ NETDB_SUCCESS, SPF_FOUND },
	{ NO_DATA, SPF_NO_DATA },
	{ HOST_NOT_FOUND, SPF_NO_NAME },
	{ TRY_AGAIN, SPF_FAILED },
};

static const enum auth_result results[] = {
	[SPF_RESULT_INVALID] = AUTH_PERMERROR,   [SPF_RESULT_NEUTRAL] = AUTH_NEUTRAL,
	[SPF_RESULT_PASS] = AUTH_PASS,           [SPF_RESULT_FAIL] = AUTH_FAIL,
	[SPF_RESULT_SOFTFAIL] = AUTH_SOFTFAIL,   [SPF_RESULT_NONE] = AUTH_NONE,
	[SPF_RESULT_TEMPERROR] = AUTH_TEMPERROR, [SPF_RESULT_PERMERROR] = AUTH_PERMERROR,
};

static void add_record(SPF_dns_rr_t *rr, ns_type type, struct slice record)
{
	struct slice text = spf_record_name((enum dns_type)type, record);
	bool address = type == ns_t_a || type == ns_t_aaaa;
	int i = rr->num_rr;

	if (SPF_dns_rr_buf_realloc(rr, i, text.n + 1) != SPF_E_SUCCESS)
		abort();
	memcpy(rr->rr[i], text.p, text.n);
	if (!address)
		((char *)rr->rr[i])[text.n] = '\0';
	rr->num_rr++;
}

/* The library's resolver. Losing the milter ends the process. */
static SPF_dns_rr_t *look_up(SPF_dns_server_t *server, const char *name, ns_type type, int cache)
{
	static char packet[SPF_PACKET_MAX];
	struct spf_msg m = { .kind = SPF_QUERY, .code = (uint8_t)type, .n = 1 };
	SPF_dns_rr_t *rr;
	int status = TRY_AGAIN;

	(void)cache;
	m.field[0] = slice_str(name);
	if (spf_send(SPF_HELPER_FD, &m) != OK || spf_receive(SPF_HELPER_FD, -1, packet, &m) != OK ||
	    m.kind != SPF_ANSWER)
		_exit(0);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		if (m.code == answers[i].answer)
			status = answers[i].errno_of_resolver;
	rr = SPF_dns_rr_new_init(server, name, type, 0, status);
	if (!rr)
		abort();
	for (size_t i = 0; i < m.n; i++)
		add_record(rr, type, m.field[i]);
	return rr;
}

static bool fill_request(SPF_request_t *q, const struct spf_msg *m, struct arena *a)
{
	char *ip = arena_dup(a, m->field[SPF_F_IP]);

	if (SPF_request_set_ipv4_str(q, ip) != SPF_E_SUCCESS &&
	    SPF_request_set_ipv6_str(q, ip) != SPF_E_SUCCESS)
		return false;
	if (SPF_request_set_helo_dom(q, arena_dup(a, m->field[SPF_F_HELO])) != SPF_E_SUCCESS ||
	    SPF_request_set_env_from(q, arena_dup(a, m->field[SPF_F_SENDER])) != 0)
		return false;
	q->cur_dom = arena_dup(a, m->field[SPF_F_DOMAIN]);
	return true;
}

static SPF_result_t interpret(SPF_server_t *server, SPF_request_t *q, const char *text)
{
	SPF_response_t *r = SPF_response_new(q);
	SPF_record_t *record = NULL;
	SPF_result_t result = SPF_RESULT_PERMERROR;

	if (!r)
		abort();
	if (SPF_record_compile(server, r, &record, text) == SPF_E_SUCCESS) {
		r->spf_record_exp = record;
		(void)SPF_record_interpret(record, q, r, 0);
		result = SPF_response_result(r);
	}
	if (record)
		SPF_record_free(record);
	SPF_response_free(r);
	return result;
}

static enum auth_result evaluate(SPF_server_t *server, const struct spf_msg *m)
{
	AUTO(arena_release) struct arena a = ARENA_INIT;
	SPF_request_t *q = SPF_request_new(server);
	SPF_result_t result = SPF_RESULT_TEMPERROR;

	if (!q)
		abort();
	if (fill_request(q, m, &a))
		result = interpret(server, q, arena_dup(&a, m->field[SPF_F_RECORD]));
	SPF_request_free(q);
	return (size_t)result < ARRAY_LEN(results) ? results[result] : AUTH_PERMERROR;
}

int spf_helper_main(void)
{
	static SPF_dns_server_t resolver = { .lookup = look_up, .name = "milter" };
	static char packet[SPF_PACKET_MAX];
	SPF_server_t *server;
	struct spf_msg m;

	close_range(SPF_HELPER_FD + 1, ~0U, 0);
	server = SPF_server_new_dns(&resolver, 0);
	if (!server || !spf_sandbox_enter())
		return 1;
	for (;;) {
		if (spf_receive(SPF_HELPER_FD, -1, packet, &m) != OK || m.kind != SPF_EVALUATE ||
		    m.n != SPF_F_COUNT)
			break;
		m = (struct spf_msg){ .kind = SPF_RESULT, .code = (uint8_t)evaluate(server, &m) };
		if (spf_send(SPF_HELPER_FD, &m) != OK)
			break;
	}
	SPF_server_free(server);
	return 0;
}
