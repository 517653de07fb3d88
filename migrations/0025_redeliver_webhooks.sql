-- SPDX-License-Identifier: Apache-2.0
-- Webhook calls are made again when somebody asks for it. Functions do it, so that there is
-- no other way from e2a-apid to a job.

-- Makes jobs of an agent's mail due now, under a new schedule that is over after `lifetime_ms`:
-- of one message, of all whose call failed for good, or of all that came in a time. Looks at
-- `wanted` of them at most, from the one behind (after_at, after_id) on; after_at is
-- '-infinity' to begin with. What somebody asked
-- for in the last five minutes, or is being called with right now, is not touched.
--   verdict  'ok', 'absent' (no such agent, or message), 'not_cloud', 'disabled'
--   looked   how many were looked at, last_at and last_id the last of them
--   matched  of those, how many are of the kind that was asked for
--   asked    of those, how many nobody had asked for before
CREATE FUNCTION redeliver_webhooks(owner text, agent text, one text, failed_only boolean,
	since timestamptz, until timestamptz, after_at timestamptz, after_id text, wanted bigint,
	lifetime_ms bigint, asker text, OUT verdict text, OUT redelivered bigint,
	OUT matched bigint, OUT asked bigint, OUT looked bigint, OUT last_at timestamptz,
	OUT last_id text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp SET enable_seqscan = off
SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
	mode text;
	ids text[];
	fresh text[];
	times timestamptz[];
BEGIN
	redelivered := 0;
	matched := 0;
	asked := 0;
	looked := 0;
	-- Whoever changes its mode waits, or is waited for: a local agent gets no job.
	SELECT a.agent_mode INTO mode FROM agents a
		WHERE a.user_id = owner AND a.email = agent FOR SHARE;
	IF mode IS NULL OR one IS NOT NULL AND NOT EXISTS (SELECT FROM messages m
			WHERE m.id = one AND m.user_id = owner AND m.agent_email = agent
			AND m.direction = 'inbound' AND m.raw_id IS NOT NULL
			AND m.expires_at > now()) THEN
		verdict := 'absent';
		RETURN;
	ELSIF mode <> 'cloud' THEN
		verdict := 'not_cloud';
		RETURN;
	END IF;

	-- One at a time; each statement behind this lock sees what others did before.
	INSERT INTO webhook_queues (agent_email, user_id) VALUES (agent, owner)
		ON CONFLICT DO NOTHING;
	PERFORM FROM webhook_queues q WHERE q.agent_email = agent FOR UPDATE;
	IF EXISTS (SELECT FROM webhook_queues q
			WHERE q.agent_email = agent AND q.disabled_at IS NOT NULL) THEN
		verdict := 'disabled';
		RETURN;
	END IF;

	IF one IS NOT NULL THEN
		ids := ARRAY[one];
		looked := 1;
	ELSIF since IS NULL AND until IS NULL AND failed_only THEN
		SELECT array_agg(t.message_id ORDER BY t.message_id) FILTER (WHERE t.good),
			count(*), max(t.message_id)
		INTO ids, looked, last_id FROM (
			SELECT j.message_id, m.user_id = owner AND m.expires_at > now() AS good
			FROM (SELECT w.message_id FROM webhook_jobs w
				WHERE w.agent_email = agent AND w.state = 'failed'
				AND w.message_id > after_id
				ORDER BY w.message_id LIMIT wanted) j
			JOIN messages m ON m.id = j.message_id) t;
		last_at := to_timestamp(0); -- of no use here
	ELSE
		SELECT array_agg(t.id ORDER BY t.created_at, t.id) FILTER (WHERE t.good),
			count(*), (array_agg(t.created_at ORDER BY t.created_at DESC, t.id DESC))[1],
			(array_agg(t.id ORDER BY t.created_at DESC, t.id DESC))[1]
		INTO ids, looked, last_at, last_id FROM (
			SELECT m.id, m.created_at, m.user_id = owner AND m.raw_id IS NOT NULL
				AND m.expires_at > now() AND (NOT failed_only OR EXISTS (
				SELECT FROM webhook_jobs j
				WHERE j.message_id = m.id AND j.state = 'failed')) AS good
			FROM (SELECT w.id, w.created_at, w.user_id, w.raw_id, w.expires_at
				FROM messages w
				WHERE w.agent_email = agent AND w.direction = 'inbound'
				AND (w.created_at, w.id) > (greatest(after_at, since), after_id)
				AND w.created_at < coalesce(until, 'infinity')
				ORDER BY w.created_at, w.id LIMIT wanted) m) t;
	END IF;
	matched := coalesce(cardinality(ids), 0);

	-- LIMIT 1, so that it is no join: by message, and not through all that happened since.
	SELECT array_agg(i.id ORDER BY i.n) INTO fresh FROM unnest(ids) WITH ORDINALITY i (id, n)
		WHERE (SELECT e.id FROM message_events e WHERE e.message_id = i.id
			AND e.stage = 'webhook' AND e.outcome = 'redelivered'
			AND e.at > now() - interval '5 minutes' ORDER BY e.id DESC LIMIT 1) IS NULL;
	asked := coalesce(cardinality(fresh), 0);

	-- The order of their time stays that of the mail. A job that is locked is being ended,
	-- by somebody who will wait for this queue, and mail that is locked is being deleted: they
	-- are passed over.
	WITH wish AS MATERIALIZED (
		SELECT i.id, now() + i.n * interval '1 us' AS at
		FROM unnest(fresh) WITH ORDINALITY i (id, n)
		JOIN messages m ON m.id = i.id FOR KEY SHARE OF m SKIP LOCKED),
	free AS MATERIALIZED (
		SELECT w.id, w.at FROM wish w JOIN webhook_jobs j ON j.message_id = w.id
		WHERE j.lease_until IS NULL OR j.lease_until < now()
		FOR UPDATE OF j SKIP LOCKED),
	again AS (
		UPDATE webhook_jobs j SET state = 'pending', queued = true, attempts = 0, due_at = f.at,
			lease_id = NULL, lease_until = NULL, drained = false, last_status = NULL,
			last_error = '', give_up_at = now() + lifetime_ms * interval '1 ms'
		FROM free f WHERE j.message_id = f.id RETURNING j.message_id, j.due_at),
	anew AS (
		INSERT INTO webhook_jobs (message_id, user_id, agent_email, queued, due_at,
			give_up_at)
		SELECT w.id, owner, agent, true, w.at, now() + lifetime_ms * interval '1 ms'
		FROM wish w WHERE NOT EXISTS (
			SELECT FROM webhook_jobs j WHERE j.message_id = w.id)
		RETURNING message_id, due_at),
	done AS MATERIALIZED (
		SELECT a.* FROM again a UNION ALL SELECT a.* FROM anew a),
	ledger AS (
		INSERT INTO message_events (message_id, user_id, stage, outcome, detail)
		SELECT d.message_id, owner, 'webhook', 'redelivered',
			jsonb_build_object('by', asker) FROM done d)
	SELECT count(*), array_agg(d.message_id), array_agg(d.due_at)
		INTO redelivered, ids, times FROM done d;

	-- Whose breaker is open is not called earlier for it.
	IF redelivered > 0 THEN
		PERFORM tell_webhook_queues(ids, array_fill(agent, ARRAY[redelivered::integer]),
			array_fill(owner, ARRAY[redelivered::integer]), times,
			array_fill(true, ARRAY[redelivered::integer]));
	END IF;
	verdict := 'ok';
END $$;
REVOKE ALL ON FUNCTION redeliver_webhooks FROM PUBLIC;

-- A fresh start for an agent's webhook, whatever was thought of it: what waits is handed out
-- at once, in the order in which it came.
CREATE FUNCTION enable_webhook(owner text, agent text) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
	WITH mine AS MATERIALIZED (
		SELECT q.agent_email FROM webhook_queues q JOIN agents a ON a.email = q.agent_email
		WHERE q.agent_email = agent AND a.user_id = owner FOR UPDATE OF q)
	UPDATE webhook_queues q SET failures = 0, failing_since = NULL, opens = 0,
		open_until = NULL, probe = NULL, disabled_at = NULL, disabled_reason = '',
		ending = false, drain_after = '', due_at = now()
	FROM mine m WHERE q.agent_email = m.agent_email RETURNING true
$$;
REVOKE ALL ON FUNCTION enable_webhook FROM PUBLIC;

-- For the operator: no call of an agent's webhook until somebody enables it. An agent that is
-- being deleted is waited for, so that no row of it stays.
CREATE FUNCTION disable_webhook(agent text, why text) RETURNS boolean
LANGUAGE sql SET search_path = e2a, pg_temp AS $$
	INSERT INTO webhook_queues AS q (agent_email, user_id, disabled_at, disabled_reason,
			ending)
		SELECT a.email, a.user_id, now(), why, true FROM agents a
		WHERE a.email = agent AND a.agent_mode = 'cloud' FOR KEY SHARE OF a
	ON CONFLICT (agent_email) DO UPDATE SET disabled_at = coalesce(q.disabled_at, now()),
		disabled_reason = CASE WHEN q.disabled_at IS NULL THEN why
			ELSE q.disabled_reason END,
		due_at = NULL, drain_after = NULL, ending = true
	RETURNING true
$$;
REVOKE ALL ON FUNCTION disable_webhook FROM PUBLIC;
