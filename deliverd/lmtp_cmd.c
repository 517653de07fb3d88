/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The LMTP commands: a table of verbs, what must have come before them, and
 * one function each. A command must never change the state before it is known
 * to be right.
 */
#include "deliverd/lmtp_private.h"

#include "common/base/mem.h"
#include "deliverd/lmtp_syntax.h"

enum { AFTER_LHLO = 1, IN_MAIL = 2, NOT_IN_MAIL = 4 };

static void refuse(struct lmtp *l, const char *reply, struct buf *out)
{
	l->errors++;
	buf_addf(out, "%s\r\n", reply);
}

/* XFORWARD comes before MAIL, so the mail begins with whichever is first. */
static struct mail *mail_of(struct lmtp *l)
{
	if (!l->mail)
		l->mail = mail_new(l->limits->budget, l->limits->message_bytes);
	return l->mail;
}

static void lhlo(struct lmtp *l, struct slice args, struct buf *out)
{
	if (slice_trim(args).n == 0) {
		refuse(l, "501 5.5.4 Syntax: LHLO hostname", out);
		return;
	}
	lmtp_reset(l);
	l->greeted = true;
	buf_addf(out,
		 "250-%s\r\n250-PIPELINING\r\n250-SIZE %zu\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
		 "250-ENHANCEDSTATUSCODES\r\n"
		 "250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n",
		 l->limits->host, l->limits->message_bytes);
}

static const struct {
	const char *name;
	size_t offset;
} attributes[] = {
	{ "NAME", offsetof(struct xforward, name) },
	{ "ADDR", offsetof(struct xforward, addr) },
	{ "PORT", offsetof(struct xforward, port) },
	{ "PROTO", offsetof(struct xforward, proto) },
	{ "HELO", offsetof(struct xforward, helo) },
	{ "IDENT", offsetof(struct xforward, ident) },
	{ "SOURCE", offsetof(struct xforward, source) },
};

static struct slice *attribute(struct xforward *x, struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(attributes); i++)
		if (slice_ieq(name, slice_str(attributes[i].name)))
			return (struct slice *)(void *)((char *)x + attributes[i].offset);
	return NULL;
}

static enum err set_attribute(struct lmtp *l, struct slice word)
{
	AUTO(buf_release) struct buf value = BUF_INIT(LMTP_LINE_MAX);
	struct mail *m = mail_of(l);
	struct slice rest = word, name, *field, text;

	if (!slice_cut(&rest, '=', &name) || !rest.p || lmtp_xtext(rest, &value) ||
	    arena_used(&m->arena) > LMTP_XFORWARD_TOTAL)
		return ERR_INPUT;
	field = attribute(&m->xforward, name);
	text = buf_slice(&value);
	if (!field || slice_has_ctl(text))
		return ERR_INPUT;
	if (slice_istarts(text, S("[UNAVAILABLE]")) || slice_istarts(text, S("[TEMPUNAVAIL]")))
		text = S("");
	if (slice_istarts(text, S("IPv6:")) && field == &m->xforward.addr)
		text = slice_sub(text, 5, text.n);
	/* The client chose its HELO: too long a one must not cost the queue id beside it. */
	*field = arena_slice(&m->arena, slice_sub(text, 0, LMTP_XFORWARD_MAX));
	return OK;
}

static void xforward(struct lmtp *l, struct slice args, struct buf *out)
{
	struct slice word;
	size_t n = 0;

	for (; lmtp_word(&args, &word); n++) {
		if (set_attribute(l, word)) {
			refuse(l, "501 5.5.4 Bad XFORWARD attribute", out);
			return;
		}
	}
	if (n)
		buf_add_str(out, "250 2.0.0 Ok\r\n");
	else
		refuse(l, "501 5.5.4 Syntax: XFORWARD attribute=value...", out);
}

/* MAIL's parameters; the reply that refuses them, or NULL. */
static const char *mail_parameter(struct lmtp *l, struct slice word)
{
	struct slice value = word, name;
	uint64_t size;

	slice_cut(&value, '=', &name);
	if (slice_ieq(name, S("SMTPUTF8")) && !value.p)
		return NULL;
	if (slice_ieq(name, S("BODY")) &&
	    (slice_ieq(value, S("7BIT")) || slice_ieq(value, S("8BITMIME"))))
		return NULL;
	if (!slice_ieq(name, S("SIZE")))
		return "555 5.5.4 Parameter not supported";
	if (slice_to_u64(value, UINT64_MAX, &size))
		return "501 5.5.4 Bad SIZE value";
	if (size > l->limits->message_bytes)
		return "552 5.3.4 Message size exceeds limit";
	if (!mail_charge(mail_of(l), (size_t)size))
		return "452 4.3.1 Too much mail in memory, try again later";
	return NULL;
}

static void mail(struct lmtp *l, struct slice args, struct buf *out)
{
	struct slice path, word;
	const char *reply;
	struct mail *m;

	if (!slice_istarts(args, S("FROM:"))) {
		refuse(l, "501 5.5.4 Syntax: MAIL FROM:<address>", out);
		return;
	}
	args = slice_sub(args, 5, args.n);
	if (lmtp_path(&args, LMTP_PATH_MAX, &path)) {
		refuse(l, "501 5.1.7 Bad sender address syntax", out);
		return;
	}
	while (lmtp_word(&args, &word)) {
		reply = mail_parameter(l, word);
		if (reply) {
			lmtp_reset(l);
			buf_addf(out, "%s\r\n", reply);
			return;
		}
	}
	m = mail_of(l);
	m->sender = arena_slice(&m->arena, path);
	l->in_mail = true;
	buf_add_str(out, "250 2.1.0 Ok\r\n");
}

/*
 * Whether the agent exists is found out when the mail is stored, in the same
 * round trip; the 550 comes then.
 */
static void rcpt(struct lmtp *l, struct slice args, struct buf *out)
{
	struct slice path, word;

	if (!slice_istarts(args, S("TO:"))) {
		refuse(l, "501 5.5.4 Syntax: RCPT TO:<address>", out);
		return;
	}
	args = slice_sub(args, 3, args.n);
	if (lmtp_path(&args, LMTP_PATH_MAX, &path) || path.n == 0)
		refuse(l, "501 5.1.3 Bad recipient address syntax", out);
	else if (lmtp_word(&args, &word))
		refuse(l, "555 5.5.4 Parameter not supported", out);
	else if (l->mail->rcpts_n >= l->limits->recipients)
		buf_add_str(out, "452 4.5.3 Too many recipients\r\n");
	else {
		mail_add_rcpt(l->mail, path);
		buf_add_str(out, "250 2.1.5 Ok\r\n");
	}
}

static void data(struct lmtp *l, struct slice args, struct buf *out)
{
	if (args.n) {
		refuse(l, "501 5.5.4 Syntax: DATA", out);
	} else if (l->mail->rcpts_n == 0) {
		buf_add_str(out, "503 5.5.1 No valid recipients\r\n");
	} else {
		l->phase = LMTP_DATA;
		l->dot = DOT_LINE_START;
		buf_add_str(out, "354 End data with <CR><LF>.<CR><LF>\r\n");
	}
}

static void rset(struct lmtp *l, struct slice args, struct buf *out)
{
	(void)args;
	lmtp_reset(l);
	buf_add_str(out, "250 2.0.0 Ok\r\n");
}

static void noop(struct lmtp *l, struct slice args, struct buf *out)
{
	(void)l;
	(void)args;
	buf_add_str(out, "250 2.0.0 Ok\r\n");
}

static void vrfy(struct lmtp *l, struct slice args, struct buf *out)
{
	(void)args;
	refuse(l, "252 2.1.5 Send the mail to find out", out);
}

static void quit(struct lmtp *l, struct slice args, struct buf *out)
{
	(void)args;
	l->phase = LMTP_QUIT;
	buf_add_str(out, "221 2.0.0 Bye\r\n");
}

static const struct {
	const char *verb;
	unsigned when;
	void (*run)(struct lmtp *l, struct slice args, struct buf *out);
} commands[] = {
	{ "LHLO", 0, lhlo },
	{ "XFORWARD", AFTER_LHLO | NOT_IN_MAIL, xforward },
	{ "MAIL", AFTER_LHLO | NOT_IN_MAIL, mail },
	{ "RCPT", AFTER_LHLO | IN_MAIL, rcpt },
	{ "DATA", AFTER_LHLO | IN_MAIL, data },
	{ "RSET", 0, rset },
	{ "NOOP", 0, noop },
	{ "VRFY", 0, vrfy },
	{ "QUIT", 0, quit },
};

static const char *out_of_order(const struct lmtp *l, unsigned when)
{
	if ((when & AFTER_LHLO) && !l->greeted)
		return "503 5.5.1 Send LHLO first";
	if ((when & IN_MAIL) && !l->in_mail)
		return "503 5.5.1 Need MAIL command";
	if ((when & NOT_IN_MAIL) && l->in_mail)
		return "503 5.5.1 Mail transaction in progress";
	return NULL;
}

void lmtp_command(struct lmtp *l, struct slice line, struct buf *out)
{
	struct slice args = line, verb;
	const char *reply = "500 5.5.2 Unknown command";

	slice_cut(&args, ' ', &verb);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (!slice_ieq(verb, slice_str(commands[i].verb)))
			continue;
		reply = out_of_order(l, commands[i].when);
		if (!reply) {
			commands[i].run(l, args, out);
			return;
		}
		break;
	}
	refuse(l, reply, out);
}
