/* SPDX-License-Identifier: Apache-2.0 */
/* A stored mail as base64, read piece by piece while it goes out. */
#ifndef E2A_APID_RAW_SOURCE_H
#define E2A_APID_RAW_SOURCE_H

#include "apid/resp.h"

/*
 * The base64 of a mail of `size` bytes, to stand at `at` of the body. The id is
 * one that the asker was shown to own; it is copied into the arena, which must
 * live as long as the response.
 */
struct resp_source raw_source(struct slice raw_id, int64_t size, size_t at, struct arena *a);

#endif
