/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that may wait for the database, each with a connection of its own.
 * Queues: requests, of which only so many may wait; those among them that ask
 * name service or make key pairs, which half of the threads may run at once, so that
 * a name server that does not answer holds up nobody else; those that ask an OpenID
 * provider, for a quarter of the threads, and those with a large body, for as many,
 * because each takes a multiple of its body in memory; and socket work, which is bounded
 * by the sockets it is for and never refused. They take turns.
 */
#ifndef E2A_APID_WORKERS_H
#define E2A_APID_WORKERS_H

#include "common/base/settings.h"
#include "common/store/db.h"

enum job_class { JOB_REQUEST, JOB_NAMES, JOB_PROVIDER, JOB_LARGE, JOB_SOCKET, JOB_CLASSES };

/* Part of the struct that describes the work; `run` gets it back and owns it. */
struct job {
	struct job *next;     /* private */
	enum job_class class; /* private */
	void (*run)(struct job *job, struct db *db);
};

struct workers;

struct workers *workers_new(const struct settings *s);
/* False when its queue of requests is full, or when workers_stop() was called; the caller keeps the
 * job. */
bool workers_post(struct workers *w, struct job *job, enum job_class class);
/*
 * Runs what is queued, refuses what comes later, ends the threads. False when one of them was
 * not done by the deadline (CLOCK_MONOTONIC), as with a database that hangs: then nothing that
 * a job may touch can be freed, and the process has to end as it is.
 */
bool workers_stop(struct workers *w, int64_t deadline_ms) MUST_CHECK;

/* Stops them first, however long that takes. */
void workers_free(struct workers *w);

#endif
