-- SPDX-License-Identifier: Apache-2.0
-- Accounts: who may use the API and with which credentials.

CREATE TABLE users (
	id text PRIMARY KEY,
	email text NOT NULL,
	name text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX users_email_key ON users (lower(email));

-- Only the hash of a key is kept; `prefix` is what lists show.
CREATE TABLE api_keys (
	id text PRIMARY KEY,
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	name text NOT NULL DEFAULT '',
	prefix text NOT NULL,
	hash bytea NOT NULL,
	scope text NOT NULL DEFAULT 'account' CHECK (scope IN ('account', 'agent')),
	agent_email text,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	last_used_at timestamptz,
	expires_at timestamptz,
	revoked_at timestamptz,
	CHECK ((scope = 'agent') = (agent_email IS NOT NULL))
);
CREATE UNIQUE INDEX api_keys_hash_key ON api_keys (hash);
CREATE INDEX api_keys_user_idx ON api_keys (user_id, created_at);

-- `sealed` is AES-256-GCM of the 64 ASCII bytes, bound to the row's id.
CREATE TABLE signing_secrets (
	id text PRIMARY KEY,
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	name text NOT NULL,
	prefix text NOT NULL,
	sealed bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	last_signed_at timestamptz
);
CREATE INDEX signing_secrets_user_idx ON signing_secrets (user_id, created_at DESC, id DESC);
