-- SPDX-License-Identifier: Apache-2.0
-- What the overview of an account shows, so that it costs little however much mail there is.

-- Mail over time: all of it is in messages_user_idx, and what agents wrote is here. So mail that
-- comes in pays for no index more.
CREATE INDEX messages_user_outbound_idx ON messages (user_id, created_at) INCLUDE (status)
	WHERE direction = 'outbound';
CREATE INDEX messages_user_reply_idx ON messages (user_id, created_at) WHERE type = 'reply';
-- Recipients who did not get their mail, when that was known.
CREATE INDEX message_events_undelivered_idx ON message_events (user_id, at)
	WHERE stage = 'recipient' AND outcome IN ('failed', 'bounced');

-- Who listens, and where. A row of one e2a-apid: there is nobody any more behind one that was
-- not seen for a while. Written for many agents at once, and not for each connection.
CREATE TABLE apid_instances (
	id text PRIMARY KEY,
	seen_at timestamptz NOT NULL
);
CREATE TABLE listeners (
	agent_email text NOT NULL REFERENCES agents ON DELETE CASCADE,
	instance text NOT NULL REFERENCES apid_instances ON DELETE CASCADE,
	sockets integer NOT NULL,
	streams integer NOT NULL,
	polls integer NOT NULL,
	PRIMARY KEY (agent_email, instance)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX listeners_instance_idx ON listeners (instance);
-- ... and when somebody did. `last_at` is not touched while they stay.
CREATE TABLE listened (
	agent_email text PRIMARY KEY REFERENCES agents ON DELETE CASCADE,
	first_at timestamptz NOT NULL,
	last_at timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- What an account did for the first time. It is noted when somebody asks, from what is recorded
-- of it, and stays when that is gone.
CREATE TABLE first_steps (
	user_id text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
	received_at timestamptz,  -- an agent got mail
	delivered_at timestamptz, -- a webhook took one
	listened_at timestamptz,  -- a client of an agent listened
	replied_at timestamptz    -- Postfix took an answer of an agent
);

-- Looks for those that are not noted: at few rows of each kind, whoever has how many.
CREATE FUNCTION find_first_steps(owner text) RETURNS first_steps
LANGUAGE plpgsql SET search_path = e2a, pg_temp AS $$
DECLARE
	few CONSTANT integer := 50;
	most_agents CONSTANT integer := 100;
	noted first_steps;
	s first_steps;
BEGIN
	SELECT f.* INTO noted FROM first_steps f WHERE f.user_id = owner;
	s := noted;
	IF s.received_at IS NULL THEN
		SELECT min(f.at) INTO s.received_at FROM agents a CROSS JOIN LATERAL (
			SELECT m.created_at AS at FROM messages m
			WHERE m.agent_email = a.email AND m.direction = 'inbound'
			ORDER BY m.created_at LIMIT 1) f
		WHERE a.user_id = owner;
	END IF;
	IF s.delivered_at IS NULL AND s.received_at IS NOT NULL THEN
		SELECT min(e.at) INTO s.delivered_at FROM (
			SELECT g.email FROM agents g WHERE g.user_id = owner AND g.agent_mode = 'cloud'
			ORDER BY g.created_at DESC LIMIT most_agents) a
		CROSS JOIN LATERAL (
			(SELECT m.id FROM messages m
				WHERE m.agent_email = a.email AND m.direction = 'inbound'
				ORDER BY m.created_at LIMIT 5)
			UNION
			(SELECT m.id FROM messages m
				WHERE m.agent_email = a.email AND m.direction = 'inbound'
				ORDER BY m.created_at DESC LIMIT 5)) m
		JOIN message_events e ON e.message_id = m.id AND e.stage = 'webhook'
			AND e.outcome = 'delivered';
	END IF;
	IF s.listened_at IS NULL THEN
		SELECT min(l.first_at) INTO s.listened_at FROM agents a
		JOIN listened l ON l.agent_email = a.email WHERE a.user_id = owner;
	END IF;
	IF s.replied_at IS NULL THEN
		SELECT min(e.at) INTO s.replied_at FROM (
			(SELECT r.id FROM messages r WHERE r.user_id = owner AND r.type = 'reply'
				ORDER BY r.created_at LIMIT few)
			UNION
			(SELECT r.id FROM messages r WHERE r.user_id = owner AND r.type = 'reply'
				ORDER BY r.created_at DESC LIMIT few)) m
		JOIN message_events e ON e.message_id = m.id AND e.stage = 'outbound'
			AND e.outcome = 'taken';
	END IF;
	-- Nobody waits here for an account that is being deleted.
	IF s IS DISTINCT FROM noted THEN
		INSERT INTO first_steps AS f (user_id, received_at, delivered_at, listened_at,
				replied_at)
			SELECT u.id, s.received_at, s.delivered_at, s.listened_at, s.replied_at
			FROM users u WHERE u.id = owner FOR KEY SHARE SKIP LOCKED
		ON CONFLICT (user_id) DO UPDATE SET
			received_at = coalesce(f.received_at, excluded.received_at),
			delivered_at = coalesce(f.delivered_at, excluded.delivered_at),
			listened_at = coalesce(f.listened_at, excluded.listened_at),
			replied_at = coalesce(f.replied_at, excluded.replied_at);
	END IF;
	RETURN s;
END $$;
REVOKE ALL ON FUNCTION find_first_steps FROM PUBLIC;
