-- SPDX-License-Identifier: Apache-2.0
-- Usage, when it is tracked: one event per message in the transaction of the
-- message; the sums of users and UTC days are made of them in batches.
CREATE TABLE usage_events (
	id text PRIMARY KEY,
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	agent_email text NOT NULL,
	domain text NOT NULL,
	direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
	event_type text NOT NULL DEFAULT 'message',
	counted boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX usage_events_user_idx ON usage_events (user_id, created_at);
CREATE INDEX usage_events_open_idx ON usage_events (created_at) WHERE NOT counted;

CREATE TABLE usage_summaries (
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	day date NOT NULL,
	messages bigint NOT NULL,
	PRIMARY KEY (user_id, day)
);
