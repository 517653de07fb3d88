/* SPDX-License-Identifier: Apache-2.0 */
/*
 * e2a-admin: the operator's tool. One cmd_*.c per verb; main.c holds the table.
 * A verb writes what was asked for to standard output and everything else to
 * standard error; main prints the failure it returns.
 */
#ifndef E2A_ADMIN_ADMIN_H
#define E2A_ADMIN_ADMIN_H

#include "common/base/keys.h"
#include "common/base/settings.h"
#include "common/store/db.h"

/* argv[0] is the verb. ERR_INPUT without a text means that the usage is wrong. */
typedef enum err verb_fn(const struct settings *s, int argc, char **argv, struct fail *fail);

verb_fn cmd_migrate, cmd_bootstrap, cmd_config, cmd_domain, cmd_key, cmd_keys, cmd_outbound,
	cmd_sign_in, cmd_webhook;

DEFINE_FREEP(struct db, db_close)

/* Every key, from the deployment secret of the settings; a weak one is ERR_CONFIG. Wipe *ret. */
enum err deployment_keys(const struct settings *s, struct keys *ret, struct fail *fail) MUST_CHECK;

#endif
