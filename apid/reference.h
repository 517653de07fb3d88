/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The description of the REST interface, as scripts/reference made it of
 * docs/openapi.yaml when this program was built.
 */
#ifndef E2A_APID_REFERENCE_H
#define E2A_APID_REFERENCE_H

#include "common/base/slice.h"

struct reference {
	const char *type;   /* Content-Type */
	const char *etag;   /* with its quotes (RFC 9110 8.8.3) */
	const char *policy; /* Content-Security-Policy */
	struct slice bytes;
};

extern const struct reference reference_page, reference_yaml, reference_json;

#endif
