/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a unix(7) socket: what a killed daemon leaves behind. */
#ifndef E2A_BASE_SOCKFILE_H
#define E2A_BASE_SOCKFILE_H

/*
 * Removes the socket file at `path` when nobody listens on it any more. What is
 * no socket stays: connect(2) refuses a regular file in the same way.
 */
void sockfile_remove_stale(const char *path);

#endif
