/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between libmilter and a session. State hangs on smfi_setpriv, because one
 * connection moves between threads; what fails on our side is SMFIS_TEMPFAIL,
 * never a reject; negotiation does no I/O.
 */
#include "milter/callbacks.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/mail/verdict.h"
#include "milter/milter_metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>

enum {
	DRAIN_MS = 30 * 1000,
	DRAIN_STEP_US = 20 * 1000,
	ACTIONS = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_SETSYMLIST,
	/* Steps that need no answer and events we do not look at. */
	WANTED = SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_HDR |
		 SMFIP_NR_EOH | SMFIP_NR_BODY | SMFIP_NOUNKNOWN,
	/* A ticket names the recipients that the client named, whatever the MTA says to them. */
	NEEDED = SMFIP_HDR_LEADSPC | SMFIP_RCPT_REJ,
};

/* The one of this process: libmilter's callbacks take no argument of ours. */
static const struct milter *the_milter;
static atomic_int judging;

struct link { /* what smfi_setpriv holds */
	struct session *session;
	unsigned long steps; /* negotiated */
	bool failed;         /* this message is lost to us: tempfail at its end */
};

static struct link *link_of(SMFICTX *ctx)
{
	return smfi_getpriv(ctx);
}

/* The answer of a step that the MTA may not wait for. */
static sfsistat go_on(const struct link *l, unsigned long step)
{
	return l->steps & step ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* The value of a macro; empty when the MTA did not send it. */
static struct slice macro(SMFICTX *ctx, const char *name)
{
	return slice_str(smfi_getsymval(ctx, (char *)(uintptr_t)name));
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
			     unsigned long f3, unsigned long *pf0, unsigned long *pf1,
			     unsigned long *pf2, unsigned long *pf3)
{
	static const struct {
		int stage;
		const char *macros;
	} macros[] = {
		{ SMFIM_CONNECT, "{client_addr} {daemon_name}" },
		{ SMFIM_HELO, "" },
		{ SMFIM_ENVFROM, "" },
		{ SMFIM_ENVRCPT, "{rcpt_mailer}" },
		{ SMFIM_DATA, "i" },
		{ SMFIM_EOH, "" },
		{ SMFIM_EOM, "i" },
	};
	struct link *l;

	(void)f2;
	(void)f3;
	if ((f0 & ACTIONS) != ACTIONS || (f1 & NEEDED) != NEEDED) {
		log_error("mta_unsuitable", LF_INT("actions", f0), LF_INT("steps", f1));
		return SMFIS_REJECT;
	}
	l = mem_zalloc(sizeof(*l));
	l->steps = (f1 & WANTED) | NEEDED;
	if (smfi_setpriv(ctx, l) != MI_SUCCESS) {
		free(l);
		return SMFIS_REJECT;
	}
	for (size_t i = 0; i < ARRAY_LEN(macros); i++)
		(void)smfi_setsymlist(ctx, macros[i].stage, (char *)(uintptr_t)macros[i].macros);
	*pf0 = ACTIONS;
	*pf1 = l->steps;
	*pf2 = 0;
	*pf3 = 0;
	return SMFIS_CONTINUE;
}

/* The client's address as text; empty for a local submission without one. */
static struct slice client_address(SMFICTX *ctx, const _SOCK_ADDR *addr, char buf[64])
{
	const struct sockaddr_in *in4 = (const void *)addr;
	const struct sockaddr_in6 *in6 = (const void *)addr;

	if (addr && addr->sa_family == AF_INET)
		return slice_str(inet_ntop(AF_INET, &in4->sin_addr, buf, 64));
	if (addr && addr->sa_family == AF_INET6)
		return slice_str(inet_ntop(AF_INET6, &in6->sin6_addr, buf, 64));
	return macro(ctx, "{client_addr}");
}

static sfsistat on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *addr)
{
	struct link *l = link_of(ctx);
	char buf[64];

	(void)host;
	session_free(l->session);
	l->session = session_new(the_milter, client_address(ctx, addr, buf),
				 macro(ctx, "{daemon_name}"));
	return go_on(l, SMFIP_NR_CONN);
}

static sfsistat on_helo(SMFICTX *ctx, char *name)
{
	struct link *l = link_of(ctx);

	session_helo(l->session, slice_str(name));
	return go_on(l, SMFIP_NR_HELO);
}

static sfsistat on_mail(SMFICTX *ctx, char **argv)
{
	struct link *l = link_of(ctx);

	session_mail(l->session, slice_str(argv[0]));
	l->failed = false;
	return go_on(l, SMFIP_NR_MAIL);
}

static sfsistat on_rcpt(SMFICTX *ctx, char **argv)
{
	struct link *l = link_of(ctx);

	session_rcpt(l->session, slice_str(argv[0]), macro(ctx, "{rcpt_mailer}"));
	return go_on(l, SMFIP_NR_RCPT);
}

/* All recipients are known: mail that is not ours passes unread from here. */
static sfsistat on_data(SMFICTX *ctx)
{
	return session_is_ours(link_of(ctx)->session) ? SMFIS_CONTINUE : SMFIS_ACCEPT;
}

static void note(struct link *l, enum err e, const char *where)
{
	if (e == OK || l->failed)
		return;
	l->failed = true;
	metric_add_at(&milter_metrics[MILTER_MAILS], MILTER_FAILED, 1);
	log_error("judging_failed", LF_STR("step", where), LF_STR("error", err_info(e)->name));
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
	struct link *l = link_of(ctx);

	if (!l->failed)
		note(l, session_field(l->session, slice_str(name), slice_str(value)), "header");
	return go_on(l, SMFIP_NR_HDR);
}

static sfsistat on_eoh(SMFICTX *ctx)
{
	struct link *l = link_of(ctx);

	if (!l->failed)
		note(l, session_eoh(l->session), "end_of_header");
	return go_on(l, SMFIP_NR_EOH);
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *chunk, size_t n)
{
	struct link *l = link_of(ctx);

	if (!l->failed)
		note(l, session_body(l->session, slice_of((char *)chunk, n)), "body");
	return go_on(l, SMFIP_NR_BODY);
}

/* On top of everything, the fields that Postfix hides from milters included. */
static enum err insert(SMFICTX *ctx, const char *name, const char *value)
{
	int e = smfi_insheader(ctx, 0, (char *)(uintptr_t)name, (char *)(uintptr_t)value);

	return e == MI_SUCCESS ? OK : ERR_IO;
}

/* The verdict goes in last, so it stands on top. */
static enum err apply(SMFICTX *ctx, const struct edits *edits)
{
	for (size_t i = 0; i < edits->remove_n; i++) {
		const struct header_removal *r = &edits->remove[i];

		if (smfi_chgheader(ctx, (char *)(uintptr_t)r->name.p, (int)r->index, NULL) !=
		    MI_SUCCESS)
			return ERR_IO;
	}
	if (edits->authres && insert(ctx, AUTHRES_HEADER, edits->authres) != OK)
		return ERR_IO;
	return edits->verdict ? insert(ctx, VERDICT_HEADER, edits->verdict) : OK;
}

/* What a client is told says nothing of the reason. */
static sfsistat refuse(SMFICTX *ctx, enum answer answer)
{
	static struct {
		sfsistat status;
		char code[4], enhanced[6], text[32]; /* libmilter takes no const */
	} rows[] = {
		[ANSWER_REFUSE] = { SMFIS_REJECT, "550", "5.7.1", "No ticket permits this mail" },
		[ANSWER_LATER] = { SMFIS_TEMPFAIL, "451", "4.7.1", "Try again with a new ticket" },
	};

	(void)smfi_setreply(ctx, rows[answer].code, rows[answer].enhanced, rows[answer].text);
	return rows[answer].status;
}

static sfsistat on_eom(SMFICTX *ctx)
{
	struct link *l = link_of(ctx);
	struct edits edits = { 0 };
	enum err e = OK;

	atomic_fetch_add(&judging, 1);
	if (!l->failed) {
		e = session_finish(l->session, macro(ctx, "i"), &edits);
		if (e == OK && edits.answer == ANSWER_TAKE)
			e = apply(ctx, &edits);
		note(l, e, "end_of_message");
	}
	session_reset(l->session);
	atomic_fetch_sub(&judging, 1);
	if (l->failed)
		return SMFIS_TEMPFAIL;
	return edits.answer == ANSWER_TAKE ? SMFIS_CONTINUE : refuse(ctx, edits.answer);
}

static sfsistat on_abort(SMFICTX *ctx)
{
	struct link *l = link_of(ctx);

	if (l && l->session)
		session_reset(l->session);
	return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
	struct link *l = link_of(ctx);

	if (!l)
		return SMFIS_CONTINUE;
	session_free(l->session);
	free(l);
	(void)smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

/* True when somebody answers on the unix socket. */
static bool is_in_use(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	int fd, e;

	if (n >= sizeof(sun.sun_path))
		return false;
	memcpy(sun.sun_path, path, n + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	e = connect(fd, (struct sockaddr *)&sun, sizeof(sun));
	close(fd);
	return e == 0;
}

/* The path of a unix socket in libmilter's notation, or NULL. */
static const char *unix_path(const char *listen)
{
	struct slice s = slice_str(listen);

	return slice_starts(s, S("unix:")) || slice_starts(s, S("local:"))
		       ? listen + slice_find(s, ':') + 1
		       : NULL;
}

static mode_t mode_of(const char *octal)
{
	mode_t mode = 0;

	for (; *octal; octal++)
		mode = mode * 8 + (mode_t)(*octal - '0');
	return mode;
}

enum err server_open(const struct milter *m, struct fail *fail)
{
	static char name[] = "e2a"; /* libmilter keeps it */
	struct smfiDesc desc = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = ACTIONS,
		.xxfi_connect = on_connect,
		.xxfi_helo = on_helo,
		.xxfi_envfrom = on_mail,
		.xxfi_envrcpt = on_rcpt,
		.xxfi_data = on_data,
		.xxfi_header = on_header,
		.xxfi_eoh = on_eoh,
		.xxfi_body = on_body,
		.xxfi_eom = on_eom,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate,
	};
	char *listen = m->settings.milter_listen;
	const char *path = unix_path(listen);

	the_milter = m;
	/* libmilter takes a bare word for a socket in the working directory */
	if (!path && !slice_starts(slice_str(listen), S("inet:")) &&
	    !slice_starts(slice_str(listen), S("inet6:")))
		return fail_set(fail, ERR_CONFIG,
				"milter_listen: %.150s is not unix:/path or inet:port@host",
				listen);
	if (path && is_in_use(path))
		return fail_set(fail, ERR_CONFIG, "milter_listen: %.150s is in use", listen);
	if (smfi_register(desc) != MI_SUCCESS || smfi_setconn(listen) != MI_SUCCESS)
		return fail_set(fail, ERR_CONFIG, "milter_listen: %.150s is no address", listen);
	if (smfi_opensocket(path != NULL) != MI_SUCCESS)
		return fail_set(fail, ERR_CONFIG, "milter_listen: cannot open %.150s", listen);
	if (path && chmod(path, mode_of(m->settings.milter_socket_mode)) != 0)
		return fail_set(fail, ERR_CONFIG, "milter_listen: chmod %.150s: %s", path,
				strerror(errno));
	return OK;
}

enum err server_run(struct fail *fail)
{
	int e = smfi_main();
	int64_t until = clock_mono_ms() + DRAIN_MS;

	while (atomic_load(&judging) > 0 && clock_mono_ms() < until)
		usleep(DRAIN_STEP_US);
	return e == MI_SUCCESS ? OK : fail_set(fail, ERR_INTERNAL, "libmilter stopped");
}
