/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of one mail that LMTP took: stored for agents, or read as a report about
 * mail that has left. The client gets its answer first, then those who wait for
 * the mail are told.
 */
#ifndef E2A_DELIVERD_DELIVERY_H
#define E2A_DELIVERD_DELIVERY_H

#include "common/base/keys.h"
#include "common/base/settings.h"
#include "common/store/db.h"
#include "deliverd/lmtp_server.h"
#include "deliverd/notify.h"
#include "deliverd/webhook.h"

struct delivery_config { /* borrowed; outlives every mail */
	struct loop *loop;
	const struct settings *settings;
	const struct keys *keys;
	struct db_pool *pool;
	struct webhook *webhook;
	struct notify *notify;
};

/* Takes the mail over and answers conn when it is done. */
void delivery_begin(const struct delivery_config *config, struct lmtp_conn *conn, struct mail *m);

#endif
