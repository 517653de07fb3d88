/* SPDX-License-Identifier: Apache-2.0 */
/* Texts for reviewers. What a stranger wrote must not be in them. */
#include "deliverd/review_mail.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"

enum { LIFETIME_MS = 24 * 3600 * 1000, SUBJECT_MAX = 60, TEXT_MAX = 8 * 1024 };

static const struct word {
	struct slice outcome;
	const char *subject, *text;
} words[] = {
	{ SLICE_INIT("approved"), "approved", "You approved it. It is on its way." },
	{ SLICE_INIT("rejected"), "rejected", "You rejected it. It will not be sent." },
	{ SLICE_INIT("unclear"), "not understood",
	  "Your answer was not understood, and nothing was decided.\n\n"
	  "Please answer this mail with one of these as its very first line:\n\n"
	  "    approve\n"
	  "    reject\n"
	  "    reject: and why\n\n"
	  "Nothing else may stand in a line that approves. Write plain text, above what you "
	  "quote." },
	{ SLICE_INIT("expired"), "too late",
	  "Your answer came after the time to decide was over. It changed nothing." },
	{ SLICE_INIT("gone"), "too late", "That mail is not there any more. Nothing was sent." },
	{ SLICE_INIT("unauthorized"), "not decided",
	  "You are not asked any more about mail of this agent, or chose not to decide by "
	  "answering. Your answer changed nothing." },
	{ SLICE_INIT("changed"), "not decided",
	  "The mail is not the one that you were asked about: it was changed since. Your "
	  "answer changed nothing." },
	{ SLICE_INIT("unverified"), "not sent",
	  "It could not be approved: nobody has proved the domain of the agent. It still "
	  "waits." },
	{ SLICE_INIT("suppressed"), "not sent",
	  "It could not be approved: mail to all of its recipients is suppressed. It still "
	  "waits." },
};

/* What became of a mail before the answer came. */
static const struct word statuses[] = {
	{ SLICE_INIT("sent"), "approved before",
	  "It had been approved before your answer came. Your answer changed nothing." },
	{ SLICE_INIT("rejected"), "rejected before",
	  "It had been rejected before your answer came. Your answer changed nothing." },
	{ SLICE_INIT("expired_approved"), "sent before",
	  "The time to decide was over before your answer came, and it was sent. Your answer "
	  "changed nothing." },
	{ SLICE_INIT("expired_rejected"), "too late",
	  "The time to decide was over before your answer came, and it was not sent. Your "
	  "answer changed nothing." },
};

static const struct word *find(const struct word *v, size_t n, struct slice outcome)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq(v[i].outcome, outcome))
			return &v[i];
	return NULL;
}

static const struct word *word_of(const struct review_news *news)
{
	static const struct word otherwise = { SLICE_INIT(""), "not decided",
					       "Your answer changed nothing." };
	const struct word *w = find(words, ARRAY_LEN(words), news->outcome);

	if (!w)
		w = find(statuses, ARRAY_LEN(statuses), news->status);
	return w ? w : &otherwise;
}

void review_mail_write(const struct review_news *news, struct arena *a, struct store_mail *ret)
{
	AUTO(buf_release) struct buf text = BUF_INIT(TEXT_MAX);
	const struct word *w = word_of(news);
	struct slice subject = utf8_line(a, news->subject, SUBJECT_MAX);
	const char *more = subject.n < slice_trim(news->subject).n ? "..." : "";

	if (news->agent.n)
		buf_addf(&text, "About the mail from %.*s\n\n    %.*s%s\n\n",
			 SLICE_ARGS(news->agent), SLICE_ARGS(subject), more);
	buf_addf(&text, "%s\n", w->text);
	if (slice_eq(news->outcome, S("rejected")) && news->why.n)
		buf_addf(&text, "\nThe reason you gave:\n\n    %.*s\n", SLICE_ARGS(news->why));
	ret->kind = "hold_answer";
	ret->subject = slice_str(arena_printf(a, "[e2a] %s%s%.*s%s", w->subject,
					      subject.n ? ": " : "", SLICE_ARGS(subject), more));
	ret->text = arena_slice(a, buf_slice(&text));
	ret->reply_to = slice_eq(news->outcome, S("unclear")) ? news->again : S("");
	ret->lifetime_ms = LIFETIME_MS;
}
