-- SPDX-License-Identifier: Apache-2.0
-- One row per message that still has to reach its webhook. Delivered: the row
-- goes, the ledger keeps the fact. Given up: it stays as 'failed', to be seen
-- and redelivered. A worker owns a row while lease_until lies ahead, and
-- lease_id fences out one that came back late.
CREATE TABLE webhook_jobs (
	message_id text PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
	user_id text NOT NULL,
	agent_email text NOT NULL,
	state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'failed')),
	attempts integer NOT NULL DEFAULT 0,
	due_at timestamptz NOT NULL,
	lease_id text,
	lease_until timestamptz,
	last_status integer,
	last_error text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX webhook_jobs_due_idx ON webhook_jobs (due_at) WHERE state = 'pending';
CREATE INDEX webhook_jobs_agent_idx ON webhook_jobs (agent_email);
