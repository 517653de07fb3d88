-- SPDX-License-Identifier: Apache-2.0
-- Mail from agents. The message row says what was asked for; the draft holds what
-- only the composer needs, until hold and jobs are over; a recipient row tells what
-- became of it there; a job is one transaction that Postfix has still to take.

ALTER TABLE messages
	ADD COLUMN type text NOT NULL DEFAULT '' CHECK (type IN ('', 'send', 'reply', 'test')),
	ADD COLUMN bcc_addresses text[] NOT NULL DEFAULT '{}',
	ADD COLUMN hold_reason text NOT NULL DEFAULT ''
		CHECK (hold_reason IN ('', 'hitl', 'reply_budget')),
	ADD COLUMN approval_expires_at timestamptz,
	ADD COLUMN reviewed_at timestamptz,
	ADD COLUMN rejection_reason text NOT NULL DEFAULT '',
	ADD COLUMN edited boolean NOT NULL DEFAULT false,
	-- of mail from an agent of ours, when it came: on whose behalf
	ADD COLUMN delegation text NOT NULL DEFAULT '',
	ADD CHECK (status IN ('sent', 'pending_approval', 'rejected', 'expired_approved',
		'expired_rejected'));

-- The lists of one agent are of one direction.
DROP INDEX messages_agent_idx;
CREATE INDEX messages_agent_idx ON messages (agent_email, direction, created_at, id);
CREATE INDEX messages_held_idx ON messages (user_id, approval_expires_at)
	WHERE status = 'pending_approval';
-- What an answer may name, in one mailbox (RFC 5322 3.6.4).
CREATE INDEX messages_thread_idx ON messages (agent_email, email_message_id)
	WHERE conversation_id <> '';

CREATE TABLE outbound_drafts (
	message_id text PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
	body_text text NOT NULL,
	body_html text NOT NULL DEFAULT '',
	reference_ids text[] NOT NULL DEFAULT '{}'
);
ALTER TABLE outbound_drafts ALTER COLUMN body_text SET STORAGE EXTERNAL,
	ALTER COLUMN body_html SET STORAGE EXTERNAL;

CREATE TABLE outbound_attachments (
	message_id text NOT NULL REFERENCES outbound_drafts ON DELETE CASCADE,
	n integer NOT NULL,
	filename text NOT NULL,
	content_type text NOT NULL,
	data bytea NOT NULL,
	PRIMARY KEY (message_id, n)
);
ALTER TABLE outbound_attachments ALTER COLUMN data SET STORAGE EXTERNAL;

-- `folded` is the address as it is compared. `agents`: the domain is one of ours.
CREATE TABLE outbound_recipients (
	message_id text NOT NULL REFERENCES messages ON DELETE CASCADE,
	n integer NOT NULL,
	kind text NOT NULL CHECK (kind IN ('to', 'cc', 'bcc')),
	address text NOT NULL,
	folded text NOT NULL,
	part text NOT NULL CHECK (part IN ('agents', 'world')),
	status text NOT NULL DEFAULT 'queued'
		CHECK (status IN ('queued', 'sent', 'deferred', 'delivered', 'failed', 'bounced')),
	code text NOT NULL DEFAULT '',   -- RFC 3463
	detail text NOT NULL DEFAULT '', -- what the server said, or a word of ours
	updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (message_id, n)
);

-- A status only moves forward: reports come in another order than they were sent.
CREATE FUNCTION recipient_rank(status text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT array_position(ARRAY['queued', 'sent', 'deferred', 'delivered', 'failed', 'bounced'],
		status)
$$;

-- pending: due at due_at. injecting: somebody is at it, and when the lease is over
-- nobody knows whether Postfix has the mail: Postfix is asked before anything else.
-- unknown: it could not be asked, the operator decides. failed: given up, kept to be
-- seen. Taken by Postfix: the row goes.
CREATE TABLE outbound_jobs (
	id text PRIMARY KEY,
	message_id text NOT NULL REFERENCES messages ON DELETE CASCADE,
	user_id text NOT NULL,
	agent_email text NOT NULL,
	part text NOT NULL CHECK (part IN ('agents', 'world')),
	size bigint NOT NULL, -- bytes of the draft
	state text NOT NULL DEFAULT 'pending'
		CHECK (state IN ('pending', 'injecting', 'unknown', 'failed')),
	attempts integer NOT NULL DEFAULT 0,
	due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	give_up_at timestamptz NOT NULL,
	lease_id text,
	lease_until timestamptz,
	last_error text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	UNIQUE (message_id, part)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX outbound_jobs_due_idx ON outbound_jobs (user_id, due_at) WHERE state = 'pending';
CREATE INDEX outbound_jobs_lost_idx ON outbound_jobs (lease_until)
	WHERE state IN ('injecting', 'unknown');
CREATE INDEX outbound_jobs_agent_idx ON outbound_jobs (agent_email);

-- One per injection, written before it: `verp` is its envelope sender, to which
-- reports come back as long as the message is kept. `host` is whose Postfix it was. Nobody
-- is at it any more after `over_at`.
CREATE TABLE outbound_attempts (
	verp text PRIMARY KEY,
	message_id text NOT NULL REFERENCES messages ON DELETE CASCADE,
	job_id text NOT NULL,
	part text NOT NULL,
	host text NOT NULL,
	started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	over_at timestamptz NOT NULL,
	reported_at timestamptz -- something came back to it: Postfix had the mail
);
CREATE INDEX outbound_attempts_message_idx ON outbound_attempts (message_id, started_at);

-- Addresses that a user's agents write to no more: mail to them came back for good.
CREATE TABLE suppressions (
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	address text NOT NULL, -- folded
	reason text NOT NULL CHECK (reason IN ('bounce')),
	code text NOT NULL DEFAULT '',
	detail text NOT NULL DEFAULT '',
	message_id text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (user_id, address)
);
CREATE INDEX suppressions_list_idx ON suppressions (user_id, created_at, address);

-- Mail that goes with its message is not lost in silence.
CREATE FUNCTION note_dropped_outbound() RETURNS trigger
LANGUAGE plpgsql SET search_path = e2a, pg_temp AS $$
BEGIN
	INSERT INTO message_events (message_id, user_id, stage, outcome, reason, detail)
		SELECT j.message_id, j.user_id, 'outbound',
			CASE j.state WHEN 'pending' THEN 'failed' ELSE 'unknown' END, 'message_deleted',
			jsonb_build_object('part', j.part)
		FROM outbound_jobs j WHERE j.message_id = OLD.id AND j.state <> 'failed';
	RETURN OLD;
END
$$;
CREATE TRIGGER messages_note_dropped BEFORE DELETE ON messages
	FOR EACH ROW WHEN (OLD.direction = 'outbound') EXECUTE FUNCTION note_dropped_outbound();

-- Postfix's question about recipients, with the senders of our own injections.
CREATE VIEW mail_bounce_addresses AS
	SELECT verp AS address FROM outbound_attempts;
CREATE OR REPLACE FUNCTION find_recipient(full_address text, base_address text)
RETURNS SETOF text LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY SELECT r.address FROM e2a.mail_recipients r
		WHERE r.address IN (full_address, base_address) LIMIT 1;
	IF NOT FOUND THEN
		RETURN QUERY SELECT b.address FROM e2a.mail_bounce_addresses b
			WHERE b.address = full_address;
	END IF;
END
$$;
