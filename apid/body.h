/* SPDX-License-Identifier: Apache-2.0 */
/* The body of an answer as libmicrohttpd takes it: from memory, or with a stored mail in it that is
 * read piece by piece. */
#ifndef E2A_APID_BODY_H
#define E2A_APID_BODY_H

#include "apid/req.h"

#include <microhttpd.h>

/* The request must outlive the response. NULL when out of resources. */
struct MHD_Response *body_response(struct req *r, struct MHD_Connection *c);

#endif
