/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mail as a client gives it, and what of it can be stored and composed. Everything
 * that a client may get wrong is found here, apart from recipients (recipients.h):
 * nothing that passed fails later for what it says.
 */
#ifndef E2A_APID_DRAFT_H
#define E2A_APID_DRAFT_H

#include "common/base/jsonf.h"
#include "common/mail/thread.h"
#include "common/store/store_submit.h"

enum {
	DRAFT_CONVERSATION_MAX = 998, /* bytes; the lists of conversations take as much */
	DRAFT_FILENAME_MAX = 255,     /* bytes */
	DRAFT_TYPE_MAX = 255,
	DRAFT_ATTACHMENTS_MAX = 100,
	DRAFT_COMPOSED_MAX = 36 * 1024 * 1024, /* bytes of the mail as it will be sent */
	DRAFT_REASON_MAX = 512,
};

struct draft_attachment {
	struct slice filename, content_type;
	struct jsonf_bytes data;
	/* Of an edit only: one that the mail has already, and that stays. */
	int64_t index; /* from 0 */
	bool stays;
};

/* What the body of each route has: into struct draft, and within it struct draft_attachment. */
extern const struct jsonf_row draft_send_rows[], draft_reply_rows[], draft_edit_rows[],
	draft_attachment_rows[], draft_edit_attachment_rows[];

struct draft {
	struct slice from;
	struct jsonf_texts to, cc, bcc;
	struct slice subject, body, html_body, conversation_id;
	struct jsonf_objects attachments; /* struct draft_attachment */
	bool reply_all;
	struct slice reply_to_message_id;
	struct jsonf_texts references;
	/* Changes of a mail that is stored: */
	bool edit;
	struct {
		bool to, cc, bcc, subject, body, html_body, attachments;
	} given;           /* what is not stays as it is */
	size_t files_n;    /* attachments that the mail has */
	size_t kept_bytes; /* draft_sent_bytes() of all texts and attachments that stay */
};

#define DRAFT_ATTACHMENTS_INIT(rows)                                                               \
	{                                                                                          \
		.table = (rows), .size = sizeof(struct draft_attachment), .max = JSONF_TEXTS_MAX,  \
	}
#define DRAFT_INIT                                                                                 \
	{                                                                                          \
		.attachments = DRAFT_ATTACHMENTS_INIT(draft_attachment_rows)                       \
	}
#define DRAFT_EDIT_INIT                                                                            \
	{                                                                                          \
		.attachments = DRAFT_ATTACHMENTS_INIT(draft_edit_attachment_rows), .edit = true    \
	}

struct draft_parts {
	struct store_attachment *attachments; /* new ones */
	size_t attachments_n;
	int64_t *kept; /* indexes of those that stay */
	size_t kept_n;
	struct slice in_reply_to;       /* from reply_to_message_id */
	struct thread_texts references; /* and from that and `references`: a chain */
};

/*
 * At most so many bytes when it is sent, of n bytes of an attachment, or of a text whose
 * lines end with CR LF.
 */
size_t draft_sent_bytes(size_t n);
/*
 * ERR_INPUT with the answer's text appended to *ret_reason, one line without controls. The
 * parts are in the arena or borrowed from the draft.
 */
enum err draft_read(const struct draft *d, struct arena *a, struct draft_parts *ret,
		    struct buf *ret_reason) MUST_CHECK;

#endif
