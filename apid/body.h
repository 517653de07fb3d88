/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of an answer as libmicrohttpd takes it: from memory, or with the
 * pieces of a source in it (resp.h). Of known length it goes out with
 * Content-Length, else in chunks; to an HTTP/1.0 client until the connection
 * ends. Each piece has to be taken within http_write_timeout.
 */
#ifndef E2A_APID_BODY_H
#define E2A_APID_BODY_H

#include "apid/conns.h"
#include "apid/req.h"

#include <microhttpd.h>

/* The request must outlive the response. NULL when out of resources. */
struct MHD_Response *body_response(struct req *r, struct MHD_Connection *mhd, struct conns *conns,
				   struct conn *conn);

#endif
