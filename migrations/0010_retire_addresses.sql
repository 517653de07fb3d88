-- SPDX-License-Identifier: Apache-2.0
-- Addresses of agents that are gone. Mail to them may still be under way, so
-- nobody but their last user gets them before the time is over; on the shared
-- domain (no expires_at) nobody else ever does. No foreign key: it outlives the user.
CREATE TABLE retired_addresses (
	address text PRIMARY KEY,
	user_id text NOT NULL,
	retired_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	expires_at timestamptz
);
CREATE INDEX retired_addresses_expires_idx ON retired_addresses (expires_at);

-- A conversation of one agent, in order. Most mail belongs to none.
CREATE INDEX messages_conversation_idx ON messages (agent_email, conversation_id, created_at, id)
	WHERE conversation_id <> '';
-- ... and what was active last.
CREATE INDEX messages_threaded_idx ON messages (agent_email, created_at, id)
	WHERE conversation_id <> '';
