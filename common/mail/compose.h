/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mails that we make as bytes (RFC 5322, RFC 2045 to 2047, RFC 2231): 7-bit,
 * lines ended by CR LF, folded at 78 where that can be done and never above
 * 998. One input makes one output, so that a second attempt sends the same mail.
 *
 * Shapes: the text alone; multipart/alternative of text and HTML; with attachments
 * multipart/mixed, whose first part is one of these. Texts are 7bit,
 * quoted-printable or base64, attachments base64.
 */
#ifndef E2A_MAIL_COMPOSE_H
#define E2A_MAIL_COMPOSE_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#define CONVERSATION_HEADER "X-E2A-Conversation-Id"

/*
 * Bytes, where nothing else is said. Within them, what a JSON request of 25 MiB
 * can hold fits 36 MB.
 */
enum {
	COMPOSE_NAME_MAX = 1000,
	COMPOSE_LIST_MAX = 64 * 1024, /* of To, and of Cc: below Postfix's header_size_limit */
	COMPOSE_SUBJECT_MAX = 5000,   /* more than that of a mail that came in, and "Re: " */
	COMPOSE_MSGID_MAX = 900,      /* fits a line with the name of its field */
	COMPOSE_REFERENCES_MAX = 50,  /* ids */
	COMPOSE_CONVERSATION_MAX = 2000,
	COMPOSE_ATTACHMENTS_MAX = 100,
	COMPOSE_FILENAME_MAX = 4096,
	COMPOSE_TYPE_MAX = 1000,
};

/* Whether, and how, a program wrote the mail (RFC 3834 5). */
enum compose_auto { COMPOSE_NOT_AUTO, COMPOSE_AUTO_GENERATED, COMPOSE_AUTO_REPLIED };

struct compose_attachment {
	struct slice filename; /* UTF-8, any character but controls; may be empty */
	/*
	 * A media type, with parameters or without; empty: application/octet-stream. So
	 * are multipart/... and message/..., which must not be base64 (RFC 2045 6.4, RFC
	 * 2046 5.2.1). Parameters that are no short ASCII are left out.
	 */
	struct slice content_type;
	struct slice data; /* decoded */
};

/*
 * A field that is empty is left out; required are `from`, `message_id`, and an
 * address in `to` or `cc`. Addresses are as addr_usable() gives them, message ids
 * have their angle brackets, header texts are one line of UTF-8 without controls.
 */
struct compose_mail {
	struct slice from;
	struct slice from_name;
	const struct slice *to;
	size_t to_n;
	const struct slice *cc;
	size_t cc_n;
	struct slice reply_to;
	struct slice subject;
	struct slice message_id;
	int64_t date_us;
	struct slice in_reply_to;
	/*
	 * Of more than COMPOSE_REFERENCES_MAX the first one and the last ones are
	 * written; those that are not compose_msgid_usable() are left out.
	 */
	const struct slice *references;
	size_t references_n;
	struct slice conversation_id; /* any text: see compose_conversation_id() */
	enum compose_auto automatic;
	struct slice text; /* UTF-8; may be empty, and is left out then if there is HTML */
	struct slice html;
	const struct compose_attachment *attachments;
	size_t attachments_n;
};

/* True for `<...>` in visible ASCII, without blanks and brackets inside, that is not too long. */
bool compose_msgid_usable(struct slice id);

/*
 * What compose_mail() says of a mail before it does anything. ERR_INPUT, with
 * the name of the field in fail->what, for an address that cannot be used, a
 * control character (CR, LF and NUL among them) in a header field, NUL in a
 * text, text that is not UTF-8, a content type that is none, or a limit above.
 */
enum err compose_check(const struct compose_mail *mail, struct fail *fail) MUST_CHECK;

/*
 * Appends the mail. As compose_check(); ERR_TOO_BIG when *ret is full. *ret has
 * what it had before when this fails.
 */
enum err compose_mail(const struct compose_mail *mail, struct buf *ret,
		      struct fail *fail) MUST_CHECK;

/*
 * The conversation id in the value of an X-E2A-Conversation-Id that
 * compose_mail() wrote. One that is short ASCII and has no blank at its ends
 * stands there as it is, any other in encoded words (RFC 2047) of UTF-8, a
 * blank or a fold between them; either way it comes back byte for byte.
 * Empty when the value is none that we write.
 */
struct slice compose_conversation_id(struct slice value, struct arena *a);

#endif
