-- SPDX-License-Identifier: Apache-2.0
-- Webhook jobs wait in one queue per agent, that is, per endpoint. A queue that is dead, or
-- full, costs the others nothing: a claim looks at queues, and at few jobs of each.

ALTER TABLE webhook_jobs
	-- Past this it has failed, however few attempts its endpoint allowed for.
	ADD COLUMN give_up_at timestamptz NOT NULL DEFAULT 'infinity',
	-- Handed out before its time because its endpoint was back; if that attempt fails too,
	-- its own time still counts, and it is not handed out early again until then.
	ADD COLUMN drained boolean NOT NULL DEFAULT false;
UPDATE webhook_jobs SET give_up_at = now() + interval '4 days' WHERE state = 'pending';

DROP INDEX webhook_jobs_agent_idx;
CREATE INDEX webhook_jobs_agent_idx ON webhook_jobs (agent_email, state, message_id);
CREATE INDEX webhook_jobs_queue_idx ON webhook_jobs (agent_email, due_at) WHERE state = 'pending';

-- A row for each agent whose webhook ever failed or had to wait; none: all is well.
-- due_at says when somebody has to look at the queue, and is at most the time at which
-- its first job is due; NULL when no job waits. It is never moved back but by who holds the
-- row's lock and looked at the jobs afterwards.
CREATE TABLE webhook_queues (
	agent_email text PRIMARY KEY REFERENCES agents ON DELETE CASCADE,
	user_id text NOT NULL,
	due_at timestamptz,
	-- The breaker: after some failures in a row nothing is sent until open_until, and then
	-- one job, which decides.
	failures bigint NOT NULL DEFAULT 0,
	failing_since timestamptz,
	opens integer NOT NULL DEFAULT 0,
	open_until timestamptz,
	-- The endpoint is back: what waited is handed out in the order in which it came, up to
	-- and with this message so far; NULL when that is over.
	drain_after text,
	disabled_at timestamptz,
	disabled_reason text NOT NULL DEFAULT '',
	last_status integer,
	last_error text NOT NULL DEFAULT '',
	last_failed_at timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX webhook_queues_due_idx ON webhook_queues (user_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_queues_failing_idx ON webhook_queues (agent_email)
	WHERE disabled_at IS NOT NULL OR failing_since IS NOT NULL;
INSERT INTO webhook_queues (agent_email, user_id, due_at)
	SELECT DISTINCT j.agent_email, j.user_id, now() FROM webhook_jobs j
	JOIN agents a ON a.email = j.agent_email WHERE j.state = 'pending';

-- `wanted` users at most that have a queue to look at, in turn from the one behind `after_user`.
CREATE FUNCTION webhook_users(after_user text, wanted bigint) RETURNS text[]
LANGUAGE sql STABLE SET search_path = e2a, pg_temp AS $$
	WITH RECURSIVE up AS (
		SELECT (SELECT q.user_id FROM webhook_queues q WHERE q.due_at <= now()
			AND q.user_id > after_user ORDER BY q.user_id LIMIT 1) AS id, 1 AS n
		UNION ALL SELECT (SELECT q.user_id FROM webhook_queues q WHERE q.due_at <= now()
			AND q.user_id > up.id ORDER BY q.user_id LIMIT 1), up.n + 1
		FROM up WHERE up.id IS NOT NULL AND up.n < wanted),
	round AS (
		SELECT (SELECT q.user_id FROM webhook_queues q WHERE q.due_at <= now()
			ORDER BY q.user_id LIMIT 1) AS id,
			1 + (SELECT count(*) FROM up WHERE up.id IS NOT NULL) AS n
		UNION ALL SELECT (SELECT q.user_id FROM webhook_queues q WHERE q.due_at <= now()
			AND q.user_id > round.id ORDER BY q.user_id LIMIT 1), round.n + 1
		FROM round WHERE round.id IS NOT NULL AND round.n < wanted)
	SELECT array_agg(u.id ORDER BY u.n) FROM (
		SELECT up.id, up.n FROM up WHERE up.id IS NOT NULL
		UNION ALL SELECT round.id, round.n FROM round
		WHERE round.id <= after_user AND round.n <= wanted) u
$$;
REVOKE ALL ON FUNCTION webhook_users FROM PUBLIC;

-- Leases up to `wanted` jobs of up to `max_bytes` of mail (the first one in any case) for
-- `lease_ms`: the first of each user, then the second of each, ...; of one queue at most
-- `per_queue`. A function, because each statement in it sees what others committed before.
CREATE FUNCTION claim_webhooks(new_lease text, lease_ms bigint, wanted bigint, max_bytes bigint,
	per_queue bigint, drain_rate bigint, skip text[], after_user text) RETURNS text[]
LANGUAGE plpgsql SET search_path = e2a, pg_temp AS $$
DECLARE
	over timestamptz := now() + lease_ms * interval '1 ms';
	queues text[];
	ids text[];
	owners text[];
BEGIN
	SELECT array_agg(t.agent_email) INTO queues FROM (
		SELECT q.agent_email FROM unnest(webhook_users(after_user, wanted)) u (id)
		CROSS JOIN LATERAL (SELECT w.agent_email FROM webhook_queues w
			WHERE w.user_id = u.id AND w.due_at <= now()
			AND NOT w.agent_email = ANY (skip) ORDER BY random() LIMIT 20) c
		JOIN webhook_queues q ON q.agent_email = c.agent_email
		WHERE q.due_at <= now() FOR UPDATE OF q SKIP LOCKED) t;
	IF queues IS NULL THEN
		RETURN NULL;
	END IF;

	-- CASE, because the planner is not to take the number of leased jobs for a reason to
	-- read all of a queue; and arrays, because it cannot guess how few these are.
	WITH queue AS MATERIALIZED (
		SELECT q.agent_email, q.user_id, q.drain_after,
			CASE WHEN q.open_until IS NULL THEN per_queue ELSE 1 END AS most
		FROM webhook_queues q WHERE q.agent_email = ANY (queues)),
	found AS MATERIALIZED (
		SELECT q.user_id, j.message_id, j.due_at FROM queue q CROSS JOIN LATERAL (
			SELECT w.message_id, w.due_at FROM webhook_jobs w
			WHERE w.agent_email = q.agent_email AND w.state = 'pending'
			AND w.due_at <= now()
			AND CASE WHEN w.lease_until >= now() THEN false ELSE true END
			ORDER BY w.due_at LIMIT q.most) j
		WHERE q.drain_after IS NULL
		UNION ALL
		SELECT q.user_id, j.message_id, '-infinity' FROM queue q CROSS JOIN LATERAL (
			SELECT w.message_id FROM webhook_jobs w
			WHERE w.agent_email = q.agent_email AND w.state = 'pending'
			AND w.message_id > q.drain_after
			AND CASE WHEN w.drained OR w.lease_until >= now() THEN false ELSE true END
			ORDER BY w.message_id LIMIT q.most) j
		WHERE q.drain_after IS NOT NULL),
	turn AS MATERIALIZED (
		SELECT f.message_id, row_number() OVER (PARTITION BY f.user_id
			ORDER BY f.due_at, f.message_id) AS n, f.due_at FROM found f)
	SELECT array_agg(t.message_id) INTO ids FROM (
		SELECT t.message_id, t.n FROM turn t ORDER BY t.n, t.due_at, t.message_id
		LIMIT wanted) t;

	WITH mine AS MATERIALIZED (
		SELECT j.message_id, t.n FROM unnest(ids) WITH ORDINALITY t (message_id, n)
		JOIN webhook_jobs j ON j.message_id = t.message_id
		WHERE CASE WHEN j.state <> 'pending' OR j.lease_until >= now() THEN false
			ELSE true END
		FOR UPDATE OF j SKIP LOCKED),
	sized AS MATERIALIZED (
		SELECT t.message_id, sum(r.size) OVER w AS total, row_number() OVER w AS n
		FROM mine t JOIN messages m ON m.id = t.message_id
		JOIN raw_messages r ON r.id = m.raw_id WINDOW w AS (ORDER BY t.n)),
	leased AS (
		UPDATE webhook_jobs j SET lease_id = new_lease, lease_until = over,
			drained = j.due_at > now()
		FROM sized s WHERE j.message_id = s.message_id
		AND (s.total <= max_bytes OR s.n = 1)
		RETURNING j.message_id, j.agent_email)
	SELECT array_agg(l.message_id), array_agg(l.agent_email) INTO ids, owners FROM leased l;

	-- When the queues want to be looked at next. One whose due jobs were not all taken keeps
	-- its place, without a new version of its row; one with nothing but leased jobs is looked
	-- at when the last lease that there can be is over.
	WITH taken AS MATERIALIZED (
		SELECT t.agent_email, max(t.message_id) AS last, count(*) AS n
		FROM unnest(ids, owners) AS t (message_id, agent_email) GROUP BY t.agent_email),
	next AS MATERIALIZED (
		SELECT q.agent_email, coalesce(t.n, 0) AS n, t.last, least(
			(SELECT w.due_at FROM webhook_jobs w
				WHERE w.agent_email = q.agent_email AND w.state = 'pending' AND
				CASE WHEN w.lease_until >= now() THEN false ELSE true END
				ORDER BY w.due_at LIMIT 1),
			CASE WHEN EXISTS (SELECT FROM webhook_jobs w
				WHERE w.agent_email = q.agent_email AND w.state = 'pending')
			THEN over END) AS at
		FROM webhook_queues q LEFT JOIN taken t ON t.agent_email = q.agent_email
		WHERE q.agent_email = ANY (queues))
	UPDATE webhook_queues q SET
		due_at = CASE
			WHEN n.n > 0 AND q.open_until IS NOT NULL THEN over
			WHEN n.n > 0 AND q.drain_after IS NOT NULL
			THEN now() + n.n * 1000 / drain_rate * interval '1 ms'
			ELSE n.at END,
		drain_after = CASE WHEN n.n > 0 THEN greatest(q.drain_after, n.last) END
	FROM next n WHERE q.agent_email = n.agent_email
	AND (q.drain_after IS NOT NULL OR q.open_until IS NOT NULL
		OR n.at IS NULL OR n.at > now());
	RETURN ids;
END $$;
REVOKE ALL ON FUNCTION claim_webhooks FROM PUBLIC;

-- Endpoints that answered well after they had failed: theirs and those of the user's other
-- agents with the same URL. What waits for them is handed out at once.
CREATE FUNCTION recover_webhooks(agents_now text[]) RETURNS void
LANGUAGE sql SET search_path = e2a, pg_temp AS $$
	WITH back AS MATERIALIZED (
		SELECT q.agent_email FROM webhook_queues q WHERE q.agent_email IN (
			SELECT b.email FROM agents a
			JOIN agents b ON b.user_id = a.user_id AND b.webhook_url = a.webhook_url
			WHERE a.email = ANY (agents_now))
		AND q.failures > 0 AND q.disabled_at IS NULL
		ORDER BY q.agent_email FOR UPDATE)
	UPDATE webhook_queues q SET failures = 0, failing_since = NULL, opens = 0,
		open_until = NULL, drain_after = '', due_at = now()
	FROM back WHERE q.agent_email = back.agent_email
$$;
REVOKE ALL ON FUNCTION recover_webhooks FROM PUBLIC;

-- Ends jobs whose mail was delivered under these leases; returns how many still were under them.
-- A job that is locked is being deleted with its agent, which may take minutes: the results of
-- others do not wait for that. Should the deletion fail, another attempt is made when the
-- lease is over.
CREATE FUNCTION deliver_webhooks(ids text[], leases text[], statuses bigint[],
	durations_ms bigint[]) RETURNS bigint
LANGUAGE plpgsql SET search_path = e2a, pg_temp AS $$
DECLARE
	owners text[];
BEGIN
	WITH ours AS MATERIALIZED (
		SELECT r.id, r.status, r.ms FROM webhook_jobs j
		JOIN unnest(ids, leases, statuses, durations_ms) AS r (id, lease, status, ms)
		ON j.message_id = r.id AND j.lease_id = r.lease FOR UPDATE OF j SKIP LOCKED),
	gone AS (
		DELETE FROM webhook_jobs j USING ours o WHERE j.message_id = o.id
		RETURNING j.message_id, j.user_id, j.agent_email, j.attempts, o.status, o.ms),
	ledger AS (
		INSERT INTO message_events (message_id, user_id, stage, outcome, detail)
		SELECT g.message_id, g.user_id, 'webhook', 'delivered', jsonb_build_object(
			'attempt', g.attempts + 1, 'status', g.status, 'ms', g.ms) FROM gone g)
	SELECT array_agg(g.agent_email) INTO owners FROM gone g;
	IF EXISTS (SELECT FROM webhook_queues q WHERE q.agent_email = ANY (owners)
			AND q.failures > 0) THEN
		PERFORM recover_webhooks(owners);
	END IF;
	RETURN coalesce(cardinality(owners), 0);
END $$;
REVOKE ALL ON FUNCTION deliver_webhooks FROM PUBLIC;

-- Notes failed attempts: the job's next time (waits_ms after each attempt, a fifth more or less
-- by chance; Retry-After counts between once and twice that), or its end; and what it says of
-- the endpoint. Returns how many still were under their lease.
CREATE FUNCTION fail_webhooks(ids text[], leases text[], statuses bigint[], durations_ms bigint[],
	reasons text[], finals bigint[], asked_ms bigint[], answers text[], waits_ms bigint[],
	breaker_failures bigint, breaker_wait_ms bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = e2a, pg_temp AS $$
DECLARE
	owners text[];
	users text[];
	words text[];
	codes bigint[];
	times timestamptz[];
BEGIN
	WITH ours AS MATERIALIZED (
		SELECT r.*, j.attempts, j.drained, CASE WHEN j.drained THEN j.due_at
			ELSE now() + greatest(least(r.asked, 2 * w.ms),
				w.ms * (0.8 + 0.4 * random())) * interval '1 ms' END AS next
		FROM webhook_jobs j
		JOIN unnest(ids, leases, statuses, durations_ms, reasons, finals, asked_ms, answers)
			AS r (id, lease, status, ms, reason, final, asked, answer)
		ON j.message_id = r.id AND j.lease_id = r.lease,
		LATERAL (SELECT coalesce(waits_ms[j.attempts + 1], 0) AS ms) w
		FOR UPDATE OF j SKIP LOCKED),
	done AS (
		UPDATE webhook_jobs j SET
			attempts = j.attempts + CASE WHEN o.drained THEN 0 ELSE 1 END,
			state = CASE WHEN o.final > 0 OR j.give_up_at <= now() OR
				NOT o.drained AND j.attempts >= cardinality(waits_ms)
				THEN 'failed' ELSE 'pending' END,
			due_at = o.next, lease_id = NULL, lease_until = NULL,
			last_status = nullif(o.status, 0), last_error = o.reason
		FROM ours o WHERE j.message_id = o.id
		RETURNING j.message_id, j.user_id, j.agent_email, j.state, j.due_at, o.attempts,
			o.status, o.ms, o.reason, o.answer),
	ledger AS (
		INSERT INTO message_events (message_id, user_id, stage, outcome, reason, detail)
		SELECT d.message_id, d.user_id, 'webhook',
			CASE d.state WHEN 'failed' THEN 'failed' ELSE 'deferred' END, d.reason,
			jsonb_build_object('attempt', d.attempts + 1, 'status', d.status,
				'ms', d.ms) || CASE WHEN d.answer = '' THEN '{}'
				ELSE jsonb_build_object('answer', d.answer) END
		FROM done d)
	SELECT array_agg(d.agent_email), array_agg(d.user_id), array_agg(d.reason),
		array_agg(d.status), array_agg(CASE d.state WHEN 'pending' THEN d.due_at END)
	INTO owners, users, words, codes, times FROM done d;

	-- What is no fault of the endpoint leaves it alone.
	INSERT INTO webhook_queues (agent_email, user_id)
		SELECT DISTINCT t.agent_email, t.user_id
		FROM unnest(owners, users) AS t (agent_email, user_id)
		JOIN agents a ON a.email = t.agent_email
		ORDER BY t.agent_email ON CONFLICT DO NOTHING;
	WITH result AS MATERIALIZED (
		SELECT t.agent_email, min(t.at) AS at, count(*) FILTER (WHERE
			t.word NOT IN ('not_cloud', 'no_secret')) AS failures,
			bool_or(t.word = 'http_gone') AS gone,
			(array_agg(t.word))[1] AS word, (array_agg(t.code))[1] AS code
		FROM unnest(owners, words, codes, times) AS t (agent_email, word, code, at)
		GROUP BY t.agent_email),
	mine AS MATERIALIZED (
		SELECT r.*, q.opens AS opened, q.open_until AS until,
			q.failures + r.failures >= breaker_failures AND r.failures > 0
			AND (q.open_until IS NULL OR q.open_until <= now()) AS opens
		FROM webhook_queues q JOIN result r ON r.agent_email = q.agent_email
		ORDER BY q.agent_email FOR UPDATE OF q),
	judged AS MATERIALIZED (
		SELECT m.agent_email, m.at, m.failures, m.gone, m.word, m.code, m.opens,
			CASE WHEN m.opens THEN now() + least(breaker_wait_ms,
				5000 * 2 ^ least(m.opened, 20)) * (0.8 + 0.4 * random())
				* interval '1 ms' ELSE m.until END AS until
		FROM mine m)
	UPDATE webhook_queues q SET
		failures = q.failures + j.failures,
		failing_since = CASE WHEN j.failures > 0 THEN coalesce(q.failing_since, now())
			ELSE q.failing_since END,
		opens = q.opens + j.opens::integer,
		open_until = j.until,
		drain_after = CASE WHEN j.until IS NULL THEN q.drain_after END,
		due_at = CASE WHEN j.gone OR q.disabled_at IS NOT NULL THEN NULL
			WHEN j.opens THEN j.until
			WHEN j.until IS NOT NULL THEN coalesce(q.due_at, j.until)
			ELSE least(q.due_at, j.at) END,
		disabled_at = CASE WHEN j.gone THEN coalesce(q.disabled_at, now())
			ELSE q.disabled_at END,
		disabled_reason = CASE WHEN j.gone THEN 'http_gone' ELSE q.disabled_reason END,
		last_status = nullif(j.code, 0), last_error = j.word, last_failed_at = now()
	FROM judged j WHERE q.agent_email = j.agent_email;
	RETURN coalesce(cardinality(owners), 0);
END $$;
REVOKE ALL ON FUNCTION fail_webhooks FROM PUBLIC;
