/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads (RFC 5322 3.6.4): what a reply takes over from its parent, and which earlier
 * mails a mail names. The parent's header is the sender's claim: nothing of it is
 * taken that could not be written into a header of ours.
 */
#ifndef E2A_MAIL_THREAD_H
#define E2A_MAIL_THREAD_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/mail/compose.h"
#include "common/mail/header.h"

enum {
	THREAD_ID_MAX = COMPOSE_MSGID_MAX, /* bytes with brackets */
	THREAD_REFERENCES_MAX = 100,
	THREAD_REFERENCES_BYTES_MAX = 8 * 1024, /* with one blank between ids */
	THREAD_PARENTS_MAX = 50,
};

/* Texts in an arena. */
struct thread_texts {
	struct slice *v;
	size_t n;
};

/*
 * The subject of a reply to a mail with this one (decoded UTF-8): "Re: " before it unless it
 * begins with "re:" in any case, with or without a blank behind; "Re: your message" when there
 * is none. One line of at most COMPOSE_SUBJECT_MAX bytes, controls turned into blanks.
 */
struct slice thread_reply_subject(struct slice subject, struct arena *a);

/*
 * The message id that a reply to this Message-ID value names in In-Reply-To; empty when
 * it holds none that can be written: "<...>" of printable ASCII, at most THREAD_ID_MAX
 * bytes. Borrowed from the value.
 */
struct slice thread_in_reply_to(struct slice message_id);
/*
 * References of a reply: the ids of the parent's References or, when that is
 * absent or names none, of its In-Reply-To, then the parent's own, which stands nowhere
 * else. None when thread_in_reply_to() finds none. Of a chain longer than the limits above
 * the first id and the last ones are kept. Ids are borrowed from the values.
 */
void thread_references(struct slice references, struct slice in_reply_to, struct slice message_id,
		       struct arena *a, struct thread_texts *ret);
/*
 * A message id as a client gives it: blanks around it are dropped, angle brackets added
 * where they are missing. ERR_INPUT unless it is one "<left@right>" of printable ASCII
 * without blanks, of at most THREAD_ID_MAX bytes.
 */
enum err thread_id(struct slice text, struct arena *a, struct slice *ret) MUST_CHECK;

/*
 * The ids that a mail names as those it follows, nearest first and each once: In-Reply-To,
 * then References from its end. At most THREAD_PARENTS_MAX; clean UTF-8 as ids are stored.
 */
void thread_parents(struct slice in_reply_to, struct slice references, struct arena *a,
		    struct thread_texts *ret);

struct thread_recipients {
	struct thread_texts to, cc; /* addresses as addr_usable() gives them */
};

/*
 * Who gets a reply to the mail with this header: to, the mailboxes of Reply-To or, when that
 * is empty, of From; cc, with reply_all only, those of To and then of Cc. Mailboxes that no
 * mail can be sent to are left out; either list may come out empty. The agent itself and
 * duplicates are still in them. ERR_INPUT, with the reason in fail->what, when reply_all is
 * wanted and the header cannot be relied upon to name everybody.
 */
enum err thread_reply_recipients(const struct header *parent, bool reply_all, struct arena *a,
				 struct thread_recipients *ret, struct fail *fail) MUST_CHECK;

#endif
