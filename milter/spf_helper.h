/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SPF helper: a process of its own in which libspf2 runs, because the
 * library has a history of memory errors on hostile records. It holds no key,
 * opens nothing, and reaches DNS only by asking the milter (spf_wire.h).
 */
#ifndef E2A_MILTER_SPF_HELPER_H
#define E2A_MILTER_SPF_HELPER_H

#include <stdbool.h>

/* What argv[1] is when the program is started as a helper, and where its socket is. */
#define SPF_HELPER_ARG "--spf-helper"
enum { SPF_HELPER_FD = 3 };

/* Serves evaluations until the milter goes away; returns the exit status. */
int spf_helper_main(void);

/*
 * Gives up everything but memory, time and the sockets that are open. False
 * when the kernel refuses; a helper must not run then. Does nothing in a
 * sanitizer build, whose run-time needs more.
 */
bool spf_sandbox_enter(void);

#endif
