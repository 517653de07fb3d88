/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a message (RFC 2046), found while it passes by: what each is, where it
 * stands and how large it is. GMime's own parser keeps an object for every part and
 * all headers and preambles, a gigabyte and more for 9 MB of hostile mail; this
 * one keeps what fits into the limits below and tells that it left something out.
 */
#ifndef E2A_MAIL_MIME_TREE_H
#define E2A_MAIL_MIME_TREE_H

#include "common/mail/header.h"
#include "common/mail/mime_decode.h"

enum {
	MIME_DEPTH_MAX = 32,         /* multiparts inside each other; a deeper one is one part */
	MIME_PARTS_MAX = 1000,       /* multiparts counted */
	MIME_HEADER_MAX = 64 * 1024, /* bytes of a part's header that are read */
	MIME_BOUNDARY_MAX = 256,     /* RFC 2046 5.1.1 says 70 */
};

enum mime_role {
	MIME_ATTACHMENT, /* everything that is not the body */
	MIME_BODY_TEXT,
	MIME_BODY_HTML,
};

struct mime_part {
	enum mime_role role;
	struct slice type;    /* "text/plain", lower case; always a valid media type */
	struct slice charset; /* as declared, or empty; at most 40 bytes */
	enum mime_encoding encoding;
	struct slice disposition; /* "inline", "attachment", or empty */
	struct slice filename;    /* mime_safe_filename(), or empty */
	struct slice content_id;  /* without the angle brackets, or empty */
	bool shown;         /* meant to be seen inside the body: disposition, or a related part */
	int64_t start, end; /* bytes of the message, still encoded */
	int64_t size;       /* decoded */
};

struct mime_tree {
	struct header header; /* of the message: at most HEADER_BYTES_MAX of it */
	struct mime_part *v;  /* leaves, in order */
	size_t n;
	bool limited; /* there were more parts */
};

struct mime_scan;

struct mime_scan *mime_scan_new(void);
void mime_scan_free(struct mime_scan *s);
DEFINE_FREEP(struct mime_scan, mime_scan_free)
/* The next bytes of the message. Never fails. */
void mime_scan_feed(struct mime_scan *s, struct slice bytes);
/* True when what follows makes no difference. */
bool mime_scan_done(const struct mime_scan *s);
/* Once, after the last byte. The tree is in the arena and outlives the scan. */
void mime_scan_end(struct mime_scan *s, struct arena *a, struct mime_tree *ret);

#endif
