/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kind of bounce a mail is, and the reports that were found in it, one for each
 * recipient. It must never report on an address that the mail was not sent to.
 */
#include "common/mail/bounce.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/mail/addr.h"
#include "common/mail/bounce_private.h"
#include "common/mail/mime.h"

size_t bounce_find(const struct bounce_reader *r, struct slice address, struct arena *scratch)
{
	struct addr_list list;
	struct slice folded;

	addr_parse_list(address, scratch, &list);
	if (list.n == 0 || addr_fold(list.v[0].spec, scratch, &folded))
		return r->n;
	for (size_t i = 0; i < r->n; i++)
		if (slice_eq(r->recipient[i].folded, folded))
			return i;
	return r->n;
}

void bounce_add(struct bounce_reader *r, const struct bounce_report *report)
{
	struct bounce_recipient *to = &r->recipient[report->recipient];
	struct bounce_report *at;

	if (to->report && r->out->v[to->report - 1].kind >= report->kind)
		return;
	if (!to->report)
		to->report = ++r->out->n;
	at = &r->out->v[to->report - 1];
	*at = *report;
	at->status = arena_slice(r->a, report->status);
	at->diagnostic = mime_text(report->diagnostic, BOUNCE_DIAGNOSTIC_MAX, r->a);
	at->remote_mta = mime_text(report->remote_mta, BOUNCE_REMOTE_MTA_MAX, r->a);
}

static void set_recipients(struct bounce_reader *r, const struct slice *recipients, size_t n)
{
	r->recipient = arena_calloc(r->a, n, sizeof(*r->recipient));
	r->n = n;
	for (size_t i = 0; i < n; i++) {
		struct bounce_recipient *to = &r->recipient[i];

		if (addr_fold(recipients[i], r->a, &to->folded) ||
		    !addr_split(to->folded, &to->local, &to->domain))
			*to = (struct bounce_recipient){ 0 };
	}
}

static bool has_part(const struct mime_tree *t, struct slice type)
{
	for (size_t i = 0; i < t->n; i++)
		if (slice_eq(t->v[i].type, type))
			return true;
	return false;
}

static struct slice value_of(const struct header *h, const char *name, struct arena *a)
{
	const struct header_field *f = header_first(h, slice_str(name));

	return f ? header_unfold(a, f->value) : S("");
}

static bool is_auto_reply(const struct header *h, struct arena *a)
{
	static const char *const fields[] = { "X-Autoreply", "X-Autorespond", "X-Autoresponder",
					      "X-Vacation" };
	struct slice submitted = value_of(h, "Auto-Submitted", a);

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (header_first(h, slice_str(fields[i])))
			return true;
	return (submitted.n && !slice_istarts(submitted, S("no"))) ||
	       slice_ieq(value_of(h, "Precedence", a), S("auto_reply"));
}

static const char *why_nothing(const struct bounce_reader *r)
{
	const struct mime_tree *t = r->tree;

	if (r->out->ignored)
		return "other_recipient";
	if (has_part(t, S("message/delivery-status")) ||
	    has_part(t, S("message/global-delivery-status")))
		return "no_status";
	if (has_part(t, S("message/disposition-notification")) ||
	    has_part(t, S("message/global-disposition-notification")))
		return "read_receipt";
	if (has_part(t, S("message/feedback-report")))
		return "complaint";
	if (r->out->format != BOUNCE_NONE)
		return "unreadable";
	return is_auto_reply(&t->header, r->a) ? "auto_reply" : "not_a_bounce";
}

void bounce_read(struct slice mail, const struct slice *recipients, size_t n, struct arena *a,
		 struct bounce *ret)
{
	AUTO(mime_scan_freep) struct mime_scan *scan = mime_scan_new();
	struct mime_tree tree;
	struct bounce_reader r = { .mail = mail, .tree = &tree, .a = a, .out = ret };

	*ret = (struct bounce){ .v = arena_calloc(a, n, sizeof(*ret->v)) };
	mime_scan_feed(scan, mail);
	mime_scan_end(scan, a, &tree);
	set_recipients(&r, recipients, n);
	ret->limited = tree.limited;
	if (bounce_read_reports(&r))
		ret->format = BOUNCE_DSN;
	else
		bounce_read_text(&r);
	if (ret->n == 0) {
		ret->reason = why_nothing(&r);
		ret->format = BOUNCE_NONE;
	}
}

bool bounce_suppresses(struct slice status)
{
	static const struct {
		struct slice prefix;
		bool whole; /* the detail is part of it */
		bool suppresses;
	} rows[] = {
		{ SLICE_INIT("5.1.7"), true, false }, { SLICE_INIT("5.1.8"), true, false },
		{ SLICE_INIT("5.0."), false, true },  { SLICE_INIT("5.1."), false, true },
		{ SLICE_INIT("5.2.0"), true, true },  { SLICE_INIT("5.2.1"), true, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].whole ? slice_eq(status, rows[i].prefix)
				  : slice_starts(status, rows[i].prefix))
			return rows[i].suppresses;
	return false;
}

const char *bounce_kind_name(enum bounce_kind kind)
{
	static const char *const names[] = {
		[BOUNCE_DELAYED] = "delayed",
		[BOUNCE_DELIVERED] = "delivered",
		[BOUNCE_FAILED] = "failed",
	};

	return names[kind];
}

const char *bounce_format_name(enum bounce_format format)
{
	static const char *const names[] = {
		[BOUNCE_NONE] = "none", [BOUNCE_DSN] = "dsn",   [BOUNCE_QMAIL] = "qmail",
		[BOUNCE_EXIM] = "exim", [BOUNCE_TEXT] = "text",
	};

	return names[format];
}
