/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dashboard, as scripts/web made it of apid/web when this program was built: one
 * page, and the files that it loads from /web/<web_hash>/.
 */
#ifndef E2A_APID_WEB_H
#define E2A_APID_WEB_H

#include "common/base/slice.h"

struct web_file {
	const char *name;
	const char *type; /* Content-Type */
	struct slice bytes;
	struct slice gzip; /* the same, compressed (RFC 1952) */
};

extern const char web_hash[]; /* of all of them; it has another one when any file has changed */
extern const struct slice web_page;
extern const struct web_file web_files[]; /* ends with a row without name */

#endif
