-- SPDX-License-Identifier: Apache-2.0
-- Mail of the deployment itself: sign-in links, feedback. `sealed` is AES-256-GCM
-- of what is to be said, bound to the row's id, because it may hold a token.
-- Sent: the row goes. A worker owns a row while lease_until lies ahead.
CREATE TABLE mail_jobs (
	id text PRIMARY KEY,
	kind text NOT NULL CHECK (kind IN ('sign_in', 'feedback')),
	user_id text REFERENCES users ON DELETE CASCADE,
	recipient text NOT NULL,
	sealed bytea NOT NULL,
	state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'failed')),
	attempts integer NOT NULL DEFAULT 0,
	due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	-- of no use after this time
	expires_at timestamptz NOT NULL,
	lease_id text,
	lease_until timestamptz,
	last_error text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX mail_jobs_due_idx ON mail_jobs (due_at) WHERE state = 'pending';
-- A failed one is due no more: the time is that of the failure.
CREATE INDEX mail_jobs_failed_idx ON mail_jobs (due_at) WHERE state = 'failed';
CREATE INDEX mail_jobs_user_idx ON mail_jobs (user_id);

CREATE TABLE feedback (
	id text PRIMARY KEY,
	user_id text REFERENCES users ON DELETE CASCADE,
	email text NOT NULL DEFAULT '',
	category text NOT NULL CHECK (category IN ('bug', 'feature', 'general')),
	message text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX feedback_user_idx ON feedback (user_id);
