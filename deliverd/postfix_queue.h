/* SPDX-License-Identifier: Apache-2.0 */
/* Is a mail in Postfix's queue? postqueue(1) is asked, for the Postfix of MAIL_CONFIG. */
#ifndef E2A_DELIVERD_POSTFIX_QUEUE_H
#define E2A_DELIVERD_POSTFIX_QUEUE_H

#include "common/base/err.h"
#include "common/base/slice.h"
#include "deliverd/postfix_log.h"

#include <stdatomic.h>

#define POSTFIX_QUEUE_PROGRAM "/usr/sbin/postqueue"

/*
 * Runs `program -j` for at most timeout_ms, or until *stop (which may be NULL). *ret_found: a mail
 * with this envelope sender is there, ret_id is its queue id. ERR_IO, ERR_TIMEOUT, ERR_TOO_BIG or
 * ERR_INPUT when that cannot be told.
 */
enum err postfix_queue_find(const char *program, struct slice sender, int64_t timeout_ms,
			    const atomic_bool *stop, bool *ret_found,
			    char ret_id[POSTFIX_QUEUE_ID_MAX + 1], struct fail *fail) MUST_CHECK;
/* One line of its output. ERR_INPUT for one that names the sender and cannot be read. */
enum err postfix_queue_read(struct slice line, struct slice sender, bool *ret_found,
			    char ret_id[POSTFIX_QUEUE_ID_MAX + 1]) MUST_CHECK;

#endif
