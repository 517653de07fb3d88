-- SPDX-License-Identifier: Apache-2.0
-- The bytes of a mail, once per mail and not per recipient. Mostly
-- incompressible or already encoded: stored out of line, uncompressed.
CREATE TABLE raw_messages (
	id text PRIMARY KEY,
	sha256 bytea NOT NULL,
	size bigint NOT NULL,
	raw bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE raw_messages ALTER COLUMN raw SET STORAGE EXTERNAL;
-- Small mails stay in the row: half the work of four pieces out of line.
ALTER TABLE raw_messages SET (toast_tuple_target = 8160);
CREATE INDEX raw_messages_created_idx ON raw_messages (created_at);

-- One row per (mail, recipient). Text is valid UTF-8 without NUL.
CREATE TABLE messages (
	id text PRIMARY KEY,
	user_id text NOT NULL,
	agent_email text NOT NULL REFERENCES agents ON DELETE CASCADE,
	raw_id text REFERENCES raw_messages,
	direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
	status text NOT NULL DEFAULT 'sent',
	inbox_status text CHECK (inbox_status IN ('unread', 'read')),
	-- what the mail says of itself
	header_from text NOT NULL DEFAULT '',
	reply_to text[] NOT NULL DEFAULT '{}',
	to_addresses text[] NOT NULL DEFAULT '{}',
	cc_addresses text[] NOT NULL DEFAULT '{}',
	subject text NOT NULL DEFAULT '',
	email_message_id text NOT NULL DEFAULT '',
	in_reply_to text NOT NULL DEFAULT '',
	auto_submitted text NOT NULL DEFAULT '',
	conversation_id text NOT NULL DEFAULT '',
	parse_flags text[] NOT NULL DEFAULT '{}',
	-- what the transaction said
	recipient text NOT NULL DEFAULT '',
	envelope_sender text NOT NULL DEFAULT '',
	queue_id text NOT NULL DEFAULT '',
	client_ip text NOT NULL DEFAULT '',
	helo text NOT NULL DEFAULT '',
	sha256 bytea NOT NULL DEFAULT '',
	-- what we found: `verdict` is 'sealed' or the word why there is none to trust
	verdict text NOT NULL DEFAULT '',
	verified boolean NOT NULL DEFAULT false,
	sender text NOT NULL DEFAULT '',
	entity_type text NOT NULL DEFAULT 'human' CHECK (entity_type IN ('human', 'agent')),
	domain_check text NOT NULL DEFAULT '',
	authentication jsonb,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	expires_at timestamptz NOT NULL
);
-- The lists of one agent, oldest first.
CREATE INDEX messages_agent_idx ON messages (agent_email, created_at, id);
CREATE INDEX messages_unread_idx ON messages (agent_email, created_at, id)
	WHERE inbox_status = 'unread';
CREATE INDEX messages_read_idx ON messages (agent_email, created_at, id)
	WHERE inbox_status = 'read';
CREATE INDEX messages_raw_idx ON messages (raw_id);
CREATE INDEX messages_expires_idx ON messages (expires_at);
-- Postfix repeats a transaction whose answer it did not see: stored once.
CREATE UNIQUE INDEX messages_transaction_key ON messages (queue_id, lower(recipient), sha256)
	WHERE queue_id <> '';

-- The ledger: every fact about a message, in the transaction of the fact. No
-- foreign key, because it outlives what it tells of.
CREATE TABLE message_events (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	message_id text NOT NULL,
	user_id text NOT NULL,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	stage text NOT NULL,
	outcome text NOT NULL,
	reason text NOT NULL DEFAULT '',
	detail jsonb
);
CREATE INDEX message_events_message_idx ON message_events (message_id, id);
CREATE INDEX message_events_at_idx ON message_events (at);
