/* SPDX-License-Identifier: Apache-2.0 */
/* Content-Disposition of what is to be saved and never shown. */
#ifndef E2A_APID_DISPOSITION_H
#define E2A_APID_DISPOSITION_H

#include "common/base/arena.h"
#include "common/base/slice.h"

/*
 * RFC 6266 4.1: a name for old readers, and behind it the real one (RFC 8187) where they
 * differ. The name is one of mime_safe_filename(), or empty.
 */
struct slice disposition(struct slice filename, struct arena *a);

#endif
