-- SPDX-License-Identifier: Apache-2.0
-- On whose behalf an agent writes. The human agrees by a link that was mailed to
-- them; of the link only the SHA-256 is kept.
CREATE TABLE delegations (
	id text PRIMARY KEY,
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	agent_email text NOT NULL REFERENCES agents ON DELETE CASCADE,
	human_email text NOT NULL,
	state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'active', 'revoked')),
	link_hash bytea NOT NULL UNIQUE,
	link_expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	confirmed_at timestamptz,
	revoked_at timestamptz
);
CREATE INDEX delegations_user_idx ON delegations (user_id, created_at, id);
CREATE INDEX delegations_agent_idx ON delegations (agent_email, created_at, id);
CREATE INDEX delegations_active_idx ON delegations (agent_email, confirmed_at)
	WHERE state = 'active';

-- Whom an account asks no more, whichever of its agents, and when that one is gone.
CREATE TABLE delegation_declines (
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	human text NOT NULL, -- in small letters, without tag
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (user_id, human)
);

ALTER TABLE mail_jobs DROP CONSTRAINT mail_jobs_kind_check;
ALTER TABLE mail_jobs ADD CONSTRAINT mail_jobs_kind_check
	CHECK (kind IN ('sign_in', 'feedback', 'delegation'));
