/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of HTML forms that a browser sends as multipart/form-data (RFC 7578). They are
 * read by the parser of mail: one opinion about boundaries is enough.
 */
#ifndef E2A_APID_FORM_DATA_H
#define E2A_APID_FORM_DATA_H

#include "common/base/arena.h"
#include "common/base/slice.h"

/* True when a Content-Type says that the body is such a form. */
bool form_data_is(struct slice content_type);
/*
 * The bytes of a field, part of the body, or an empty slice; of several of that name the
 * first. Encodings of parts are not undone: RFC 7578 4.7 has none.
 */
struct slice form_data_field(struct slice content_type, struct slice body, struct slice name,
			     struct arena *a);

#endif
