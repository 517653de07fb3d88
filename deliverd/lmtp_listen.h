/* SPDX-License-Identifier: Apache-2.0 */
/* The address in `lmtp_listen`: unix:/path or inet:address:port. */
#ifndef E2A_DELIVERD_LMTP_LISTEN_H
#define E2A_DELIVERD_LMTP_LISTEN_H

#include "common/base/err.h"

/*
 * A bound socket, ready for listen(2). A socket file that nobody listens on is
 * replaced; its mode is 0660, so the folder's group decides who may connect.
 * ERR_CONFIG when the address is malformed or somebody is there already.
 */
enum err lmtp_listen_open(const char *address, int *ret_fd, struct fail *fail) MUST_CHECK;
/* The path of a unix: address, or NULL. */
const char *lmtp_listen_path(const char *address);

#endif
