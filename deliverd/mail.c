/* SPDX-License-Identifier: Apache-2.0 */
/* The mail in memory. Its bytes must be charged before they are added. */
#include "deliverd/mail.h"

struct mail *mail_new(struct budget *budget, size_t max_bytes)
{
	struct mail *m = mem_zalloc(sizeof(*m));

	m->refs = 1;
	arena_init(&m->arena);
	buf_init(&m->raw, max_bytes);
	m->budget = budget;
	return m;
}

struct mail *mail_ref(struct mail *m)
{
	m->refs++;
	return m;
}

void mail_free(struct mail *m)
{
	if (!m || --m->refs)
		return;
	budget_give(m->budget, m->charged);
	buf_release(&m->raw);
	arena_release(&m->arena);
	free(m->rcpts);
	free(m);
}

void mail_add_rcpt(struct mail *m, struct slice rcpt)
{
	if (m->rcpts_n == m->rcpts_cap) {
		m->rcpts_cap = m->rcpts_cap ? 2 * m->rcpts_cap : 4;
		m->rcpts = mem_realloc(m->rcpts, m->rcpts_cap * sizeof(*m->rcpts));
	}
	m->rcpts[m->rcpts_n++] = arena_slice(&m->arena, rcpt);
}

bool mail_charge(struct mail *m, size_t bytes)
{
	size_t steps = (bytes * MAIL_COST + MAIL_CHARGE_STEP - 1) / MAIL_CHARGE_STEP;
	size_t want = steps * MAIL_CHARGE_STEP;

	if (want <= m->charged)
		return true;
	if (!budget_take(m->budget, want - m->charged))
		return false;
	m->charged = want;
	return true;
}
