-- SPDX-License-Identifier: Apache-2.0
-- Answers of requests that carried an Idempotency-Key. A row is written in the
-- transaction of the act itself: it is there exactly when the act is. `owner` is
-- who may repeat it; secrets are left out of `body`.
CREATE TABLE idempotency_keys (
	owner text NOT NULL,
	key_hash bytea NOT NULL,
	request_hash bytea NOT NULL,
	user_id text REFERENCES users ON DELETE CASCADE,
	status integer NOT NULL DEFAULT 0,
	body bytea NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (owner, key_hash)
);
CREATE INDEX idempotency_keys_user_idx ON idempotency_keys (user_id);
CREATE INDEX idempotency_keys_created_idx ON idempotency_keys (created_at);
