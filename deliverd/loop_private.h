/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the loop: what loop.c and loop_task.c share. */
#ifndef E2A_DELIVERD_LOOP_PRIVATE_H
#define E2A_DELIVERD_LOOP_PRIVATE_H

#include "deliverd/loop.h"

#include <uv.h>

struct loop_queue {
	struct task *head, **tail;
	size_t running, width;
};

struct loop {
	uv_loop_t uv;
	struct loop_queue lane[LANE_COUNT];
	size_t tasks;
	uv_signal_t signal[2];
	void (*on_terminate)(void *arg);
	void *on_terminate_arg;
};

#endif
