-- SPDX-License-Identifier: Apache-2.0
-- Webhook jobs wait in one queue per agent, that is, per endpoint. A queue that is dead, or
-- full, costs the others nothing: a claim looks at queues, and at few jobs of each.
--
-- Locks are taken in this order: jobs, then queues by address. Only a claim holds queues
-- first; it never waits for a job. Nobody waits for a row of agents with one of these in hand.

ALTER TABLE webhook_jobs
	-- Its queue tells of it. A job that was stored is not in its queue yet: most are called
	-- at once and gone. Whoever makes a failed job pending again leaves that false too.
	ADD COLUMN queued boolean NOT NULL DEFAULT false,
	-- Past this it has failed, however few attempts its endpoint allowed for.
	ADD COLUMN give_up_at timestamptz NOT NULL DEFAULT 'infinity',
	-- It had its turn when its endpoint was back, maybe before its time: then that attempt
	-- does not count. It is not handed out early again until its own time has come.
	ADD COLUMN drained boolean NOT NULL DEFAULT false;
UPDATE webhook_jobs SET give_up_at = now() + interval '4 days', queued = true
	WHERE state = 'pending';

DROP INDEX webhook_jobs_due_idx, webhook_jobs_agent_idx;
CREATE INDEX webhook_jobs_agent_idx ON webhook_jobs (agent_email, state, message_id);
CREATE INDEX webhook_jobs_new_idx ON webhook_jobs (due_at) WHERE state = 'pending' AND NOT queued;
-- A job that is delivered at once never gets into these.
CREATE INDEX webhook_jobs_queue_idx ON webhook_jobs (agent_email, due_at)
	WHERE state = 'pending' AND queued;
CREATE INDEX webhook_jobs_drain_idx ON webhook_jobs (agent_email, message_id)
	WHERE state = 'pending' AND queued AND NOT drained;
CREATE INDEX webhook_jobs_drained_idx ON webhook_jobs (agent_email, due_at)
	WHERE state = 'pending' AND queued AND drained;
CREATE INDEX webhook_jobs_over_idx ON webhook_jobs (give_up_at) WHERE state = 'pending' AND queued;

-- A row for each agent whose webhook ever failed or had to wait; none: all is well.
-- due_at says when somebody has to look at the queue, and is at most the time at which
-- a job of it may be called next; NULL when there is none. It is moved back by nobody but who
-- holds the row's lock and looked at the jobs afterwards.
CREATE TABLE webhook_queues (
	agent_email text PRIMARY KEY,
	user_id text NOT NULL,
	due_at timestamptz,
	-- No job of the queue is due before. Behind it are the remains of those that are gone,
	-- which Postgres cannot clear away while an old transaction is open.
	first_due_at timestamptz NOT NULL DEFAULT '-infinity',
	-- The breaker: after some failures in a row nothing is sent until open_until, and then
	-- one job, the probe, which decides.
	failures bigint NOT NULL DEFAULT 0,
	failing_since timestamptz,
	opens integer NOT NULL DEFAULT 0,
	open_until timestamptz,
	probe text,
	-- The endpoint is back: what waited is handed out in the order in which it came. No job
	-- whose turn is still to come has this id or one before it; NULL when that is over.
	drain_after text,
	disabled_at timestamptz,
	disabled_reason text NOT NULL DEFAULT '',
	-- It is disabled, and may have jobs that have to be ended.
	ending boolean NOT NULL DEFAULT false,
	last_status integer,
	last_error text NOT NULL DEFAULT '',
	last_failed_at timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX webhook_queues_due_idx ON webhook_queues (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_queues_user_idx ON webhook_queues (user_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_queues_failing_idx ON webhook_queues (agent_email)
	WHERE disabled_at IS NOT NULL OR failing_since IS NOT NULL;
CREATE INDEX webhook_queues_ending_idx ON webhook_queues (agent_email) WHERE ending;
INSERT INTO webhook_queues (agent_email, user_id, due_at)
	SELECT DISTINCT j.agent_email, j.user_id, now() FROM webhook_jobs j
	JOIN agents a ON a.email = j.agent_email WHERE j.state = 'pending';

-- No foreign key: who notes a failure would wait for the deletion of an agent, which waits for
-- that job. Whoever makes a row has a job of it locked, so that the deletion comes later.
CREATE FUNCTION drop_webhook_queue() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
BEGIN
	DELETE FROM webhook_queues q WHERE q.agent_email = OLD.email;
	RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION drop_webhook_queue FROM PUBLIC;
CREATE TRIGGER drop_webhook_queue AFTER DELETE ON agents
	FOR EACH ROW EXECUTE FUNCTION drop_webhook_queue();

-- The functions below find rows by their indexes whatever the planner was told of these tables
-- last: a queue may be empty at one moment, and all of the table at the next. Hence ANY (array),
-- beside joins by the same column; joins are loops where few rows come together only. And each
-- statement of a function sees what others committed before it, as one statement would not.

-- `wanted` users at most that have a queue to look at, in turn from the one behind `after_user`.
CREATE FUNCTION webhook_users(after_user text, wanted bigint) RETURNS text[]
LANGUAGE plpgsql SET search_path = e2a, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_sort = off AS $$
DECLARE
	few CONSTANT bigint := 256;
	near text[];
	users text[] := '{}';
	id text := after_user;
BEGIN
	-- The last ones first: behind them are the remains of where queues stood before.
	SELECT array_agg(t.user_id) INTO near FROM (
		SELECT q.user_id FROM webhook_queues q WHERE q.due_at <= now()
		ORDER BY q.due_at DESC LIMIT few) t;
	IF coalesce(cardinality(near), 0) < few THEN
		RETURN ARRAY(SELECT t.id FROM (SELECT DISTINCT f.id FROM unnest(near) f (id)) t
			ORDER BY t.id <= after_user, t.id LIMIT wanted);
	END IF;
	-- Many: from user to user, not from queue to queue.
	FOR i IN 1 .. wanted LOOP
		SELECT q.user_id INTO id FROM webhook_queues q
			WHERE q.due_at <= now() AND q.user_id > id ORDER BY q.user_id LIMIT 1;
		EXIT WHEN id IS NULL;
		users := users || id;
	END LOOP;
	IF id IS NULL THEN
		id := '';
		FOR i IN cardinality(users) + 1 .. wanted LOOP
			SELECT q.user_id INTO id FROM webhook_queues q
				WHERE q.due_at <= now() AND q.user_id > id
				ORDER BY q.user_id LIMIT 1;
			EXIT WHEN id IS NULL OR id > after_user;
			users := users || id;
		END LOOP;
	END IF;
	RETURN users;
END $$;
REVOKE ALL ON FUNCTION webhook_users FROM PUBLIC;

-- Leases up to `wanted` jobs of up to `max_bytes` of mail (the first one in any case) for
-- `lease_ms`: the first of each user, then the second of each, ...; those of a user from
-- its queues in turn, of one queue at most `per_queue`. While many users wait, each
-- has a tenth of a claim: to lock a row for each job would cost more than all the rest.
CREATE FUNCTION claim_webhooks(new_lease text, lease_ms bigint, wanted bigint, max_bytes bigint,
	per_queue bigint, drain_rate bigint, skip text[], after_user text) RETURNS text[]
LANGUAGE plpgsql SET search_path = e2a, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_sort = off AS $$
DECLARE
	rounds CONSTANT integer := 5;
	portion CONSTANT bigint := greatest(least(per_queue, wanted / 10), 1);
	over CONSTANT timestamptz := now() + lease_ms * interval '1 ms';
	users text[];
	room bigint := wanted;
	places bigint;
	each bigint;
	share bigint;
	queues text[];
	found_ids text[];
	found_agents text[];
	found_drains boolean[];
	tried text[];
	ids text[];
	id_agents text[];
	id_drains boolean[];
	got text[] := '{}';
	left_bytes bigint := max_bytes;
	taken_bytes bigint;
BEGIN
	-- Some queues may turn out to have nothing to give; then others have their turn.
	FOR round IN 1 .. rounds LOOP
		places := CASE WHEN round = 1 THEN (room + portion - 1) / portion ELSE room END;
		users := webhook_users(after_user, places);
		each := ceil(places::numeric / greatest(cardinality(users), 1));
		-- BETWEEN, here and below, because the order of time or ids alone would lead
		-- through those of others.
		SELECT array_agg(t.agent_email) INTO queues FROM (
			SELECT q.agent_email FROM unnest(users) u (id) CROSS JOIN LATERAL (
				SELECT w.agent_email FROM webhook_queues w
				WHERE w.user_id BETWEEN u.id AND u.id AND w.due_at <= now()
				AND NOT w.agent_email = ANY (skip)
				ORDER BY w.user_id, w.due_at LIMIT each FOR UPDATE SKIP LOCKED) q) t;
		EXIT WHEN users = '{}';
		after_user := users[cardinality(users)];
		CONTINUE WHEN queues IS NULL;
		skip := skip || queues;
		-- Of many queues few jobs each are looked at, whatever these may give.
		share := least(per_queue, 1 + 2 * room / cardinality(queues));

		-- CASE, because the planner is not to take the number of leased jobs for a
		-- reason to read all of a queue; and arrays, because it cannot guess how few
		-- these are.
		WITH queue AS MATERIALIZED (
			SELECT q.agent_email, q.user_id, q.drain_after, q.first_due_at,
				CASE WHEN q.disabled_at IS NOT NULL THEN 0
				WHEN q.open_until IS NULL THEN share
				WHEN q.open_until > now() OR EXISTS (SELECT FROM webhook_jobs p
					WHERE p.message_id = q.probe AND p.state = 'pending'
					AND p.lease_until >= now()) THEN 0
				ELSE 1 END AS most
			FROM webhook_queues q WHERE q.agent_email = ANY (queues)),
		due AS (
			SELECT q.agent_email, q.user_id, q.most, j.message_id, j.due_at,
				false AS drains
			FROM queue q CROSS JOIN LATERAL (
				SELECT w.message_id, w.due_at FROM webhook_jobs w
				WHERE w.agent_email = q.agent_email AND w.state = 'pending'
				AND w.queued AND w.due_at >= q.first_due_at AND w.due_at <= now()
				AND CASE WHEN w.lease_until >= now() THEN false ELSE true END
				ORDER BY w.due_at LIMIT q.most) j
			WHERE q.drain_after IS NULL
			UNION ALL
			SELECT q.agent_email, q.user_id, q.most, j.message_id, j.due_at, false
			FROM queue q CROSS JOIN LATERAL (
				SELECT w.message_id, w.due_at FROM webhook_jobs w
				WHERE w.agent_email = q.agent_email AND w.state = 'pending'
				AND w.queued AND w.drained AND w.due_at <= now()
				AND CASE WHEN w.lease_until >= now() THEN false ELSE true END
				ORDER BY w.due_at LIMIT q.most) j
			WHERE q.drain_after IS NOT NULL
			UNION ALL
			SELECT q.agent_email, q.user_id, q.most, j.message_id, 'infinity', true
			FROM queue q CROSS JOIN LATERAL (
				SELECT w.message_id FROM webhook_jobs w
				WHERE w.agent_email BETWEEN q.agent_email AND q.agent_email
				AND w.state = 'pending' AND w.queued AND NOT w.drained
				AND w.message_id > q.drain_after
				AND CASE WHEN w.lease_until >= now() THEN false ELSE true END
				ORDER BY w.agent_email, w.message_id LIMIT q.most) j
			WHERE q.drain_after IS NOT NULL),
		ranked AS (
			SELECT d.*, row_number() OVER (PARTITION BY d.agent_email
				ORDER BY d.due_at, d.message_id) AS n FROM due d),
		turn AS (
			SELECT r.*, row_number() OVER (PARTITION BY r.user_id
				ORDER BY r.n, r.due_at, r.agent_email) AS turn
			FROM ranked r WHERE r.n <= r.most)
		SELECT array_agg(t.message_id), array_agg(t.agent_email), array_agg(t.drains)
		INTO found_ids, found_agents, found_drains FROM (
			SELECT t.message_id, t.agent_email, t.drains FROM turn t
			ORDER BY t.turn, array_position(users, t.user_id)) t;

		tried := found_ids[: room];
		WITH mine AS MATERIALIZED (
			SELECT j.message_id, j.agent_email, f.n FROM unnest(tried)
				WITH ORDINALITY f (message_id, n)
			JOIN webhook_jobs j ON j.message_id = f.message_id
			WHERE j.message_id = ANY (tried)
			AND CASE WHEN j.state <> 'pending' OR j.lease_until >= now() THEN false
				ELSE true END
			FOR UPDATE OF j SKIP LOCKED),
		sized AS MATERIALIZED (
			SELECT t.message_id, t.agent_email, t.n AS place,
				sum(r.size) OVER w AS total, row_number() OVER w AS n
			FROM mine t JOIN messages m ON m.id = t.message_id
			JOIN raw_messages r ON r.id = m.raw_id WINDOW w AS (ORDER BY t.n))
		SELECT array_agg(s.message_id), array_agg(s.agent_email),
			array_agg(found_drains[s.place]), max(s.total)
		INTO ids, id_agents, id_drains, taken_bytes FROM sized s
		WHERE s.total <= left_bytes OR s.n = 1 AND got = '{}';
		-- Not joined to anything: an array that is looked up in an index is sorted each time.
		UPDATE webhook_jobs j SET lease_id = new_lease, lease_until = over,
			drained = j.due_at > now()
		WHERE j.message_id = ANY (ids);
		got := got || coalesce(ids, '{}');
		room := wanted - cardinality(got);
		left_bytes := left_bytes - coalesce(taken_bytes, 0);

		-- When the queues want to be looked at next. One whose due jobs were not all
		-- taken keeps its place, without a new version of its row, until by chance it goes
		-- behind others of its user; one with nothing but leased jobs is looked at when
		-- the last lease that there can be is over.
		WITH taken AS MATERIALIZED (
			SELECT t.agent_email, count(*) FILTER (WHERE t.drains AND t.id IS NULL) AS drains,
				count(t.id) AS n, max(t.id) FILTER (WHERE t.drains) AS last,
				count(t.id) FILTER (WHERE t.drains) AS drained, min(t.id) AS one
			FROM (SELECT q.agent_email, NULL AS id, false AS drains
				FROM unnest(queues) q (agent_email)
				UNION ALL SELECT f.agent_email, NULL, f.drains
				FROM unnest(found_agents, found_drains) f (agent_email, drains)
				UNION ALL SELECT i.agent_email, i.id, i.drains
				FROM unnest(ids, id_agents, id_drains) i (id, agent_email, drains)) t
			GROUP BY t.agent_email),
		state AS MATERIALIZED (
			SELECT q.agent_email, q.user_id, q.disabled_at, q.open_until, q.drain_after,
				q.due_at, q.first_due_at, t.n, t.drained, t.drains,
				t.last, t.one, first.at AS first_at, CASE WHEN q.open_until > now()
				THEN q.open_until ELSE (SELECT p.lease_until FROM webhook_jobs p
					WHERE p.message_id = q.probe AND p.state = 'pending'
					AND p.lease_until >= now() AND q.open_until IS NOT NULL)
				END AS closed_until, least(CASE WHEN first.at IS NOT NULL THEN over END,
				(SELECT w.due_at FROM webhook_jobs w
					WHERE w.agent_email = q.agent_email AND w.state = 'pending'
					AND w.queued AND w.due_at >= first.at
					AND CASE WHEN w.lease_until >= now() THEN false ELSE true END
					ORDER BY w.due_at LIMIT 1)) AS next_at
			FROM taken t
			JOIN webhook_queues q ON q.agent_email = t.agent_email
			LEFT JOIN LATERAL (SELECT w.due_at AS at FROM webhook_jobs w
				WHERE w.agent_email = q.agent_email AND w.state = 'pending'
				AND w.queued AND w.due_at >= q.first_due_at
				ORDER BY w.due_at LIMIT 1) first ON true
			WHERE q.agent_email = ANY (queues)),
		decided AS MATERIALIZED (
			SELECT s.*, CASE WHEN s.disabled_at IS NOT NULL THEN NULL
				WHEN s.closed_until IS NOT NULL THEN
					CASE WHEN s.first_at IS NOT NULL THEN s.closed_until END
				WHEN s.open_until IS NOT NULL AND s.n > 0 THEN over
				WHEN s.drains > 0 THEN CASE WHEN s.drained > 0
					THEN now() + s.drained * 1000 / drain_rate * interval '1 ms'
					ELSE s.due_at END
				WHEN s.next_at > now() OR s.next_at IS NULL THEN s.next_at
				WHEN s.n > 0 AND random() < 0.1 AND (SELECT true FROM webhook_queues w
					WHERE w.user_id BETWEEN s.user_id AND s.user_id
					AND w.due_at <= now() AND NOT w.agent_email = ANY (skip)
					ORDER BY w.user_id, w.due_at LIMIT 1) THEN clock_timestamp()
				ELSE s.due_at END AS new_due_at,
				CASE WHEN s.drains > 0 THEN greatest(s.drain_after, s.last) END AS new_drain
			FROM state s)
		UPDATE webhook_queues q SET due_at = d.new_due_at, drain_after = d.new_drain,
			first_due_at = greatest(q.first_due_at, d.first_at),
			probe = CASE WHEN q.open_until IS NOT NULL AND d.n > 0 THEN d.one ELSE q.probe END
		FROM decided d WHERE q.agent_email = d.agent_email AND q.agent_email = ANY (queues)
		AND (d.new_due_at IS DISTINCT FROM q.due_at
			OR d.new_drain IS DISTINCT FROM q.drain_after
			OR q.open_until IS NOT NULL AND d.n > 0
			OR d.first_at > q.first_due_at AND random() < 0.2);
		EXIT WHEN room <= 0 OR left_bytes <= 0;
	END LOOP;
	RETURN nullif(got, '{}');
END $$;
REVOKE ALL ON FUNCTION claim_webhooks FROM PUBLIC;

-- Tells queues of jobs that may be called at these times, `early` ones when the endpoint is back
-- too. Who calls this has the jobs locked.
CREATE FUNCTION tell_webhook_queues(ids text[], emails text[], users text[], times timestamptz[],
	early boolean[]) RETURNS bigint
LANGUAGE plpgsql SET search_path = e2a, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_nestloop = off AS $$
DECLARE
	n bigint;
BEGIN
	INSERT INTO webhook_queues (agent_email, user_id)
		SELECT DISTINCT t.agent_email, t.user_id
		FROM unnest(emails, users) AS t (agent_email, user_id)
		ORDER BY t.agent_email ON CONFLICT DO NOTHING;
	-- While a queue is drained, its due_at is the pace. An id without its last letter comes
	-- before that id, and at most a few others are between.
	WITH told AS MATERIALIZED (
		SELECT t.agent_email, min(t.at) AS at, min(left(t.id, -1)) FILTER (WHERE t.early) AS id
		FROM unnest(ids, emails, times, early) AS t (id, agent_email, at, early)
		GROUP BY t.agent_email),
	mine AS MATERIALIZED (
		SELECT q.agent_email, CASE WHEN q.disabled_at IS NOT NULL THEN NULL
			WHEN q.open_until > now() THEN least(q.due_at, q.open_until)
			WHEN q.drain_after IS NOT NULL AND q.due_at IS NOT NULL THEN q.due_at
			ELSE least(q.due_at, t.at) END AS due_at,
			least(q.first_due_at, t.at) AS first_due_at,
			CASE WHEN q.drain_after IS NOT NULL
			THEN least(q.drain_after, t.id) END AS drain_after
		FROM webhook_queues q JOIN told t ON t.agent_email = q.agent_email
		WHERE q.agent_email = ANY (emails) ORDER BY q.agent_email FOR UPDATE OF q)
	UPDATE webhook_queues q SET due_at = m.due_at, first_due_at = m.first_due_at,
		drain_after = m.drain_after, ending = q.disabled_at IS NOT NULL
	FROM mine m WHERE q.agent_email = m.agent_email AND q.agent_email = ANY (emails)
	AND (q.due_at IS DISTINCT FROM m.due_at OR q.first_due_at <> m.first_due_at
		OR q.drain_after IS DISTINCT FROM m.drain_after OR q.disabled_at IS NOT NULL);
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;
REVOKE ALL ON FUNCTION tell_webhook_queues FROM PUBLIC;

-- Puts up to `most` jobs into their queues that became due in the last `window_ms` and are in
-- none: they were stored without a lease, or whoever held it is gone.
CREATE FUNCTION queue_webhooks(window_ms bigint, most bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = e2a, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_sort = off AS $$
DECLARE
	ids text[];
	emails text[];
	users text[];
	times timestamptz[];
BEGIN
	WITH new AS MATERIALIZED (
		SELECT j.message_id FROM webhook_jobs j WHERE j.state = 'pending' AND NOT j.queued
		AND j.due_at <= now() AND j.due_at > now() - window_ms * interval '1 ms'
		AND CASE WHEN j.lease_until >= now() THEN false ELSE true END
		ORDER BY j.due_at LIMIT most FOR UPDATE SKIP LOCKED),
	put AS (
		UPDATE webhook_jobs j SET queued = true
		WHERE j.message_id = ANY (ARRAY(SELECT n.message_id FROM new n))
		RETURNING j.message_id, j.agent_email, j.user_id, j.due_at)
	SELECT array_agg(p.message_id), array_agg(p.agent_email), array_agg(p.user_id),
		array_agg(p.due_at) INTO ids, emails, users, times FROM put p;
	IF ids IS NULL THEN
		RETURN 0;
	END IF;
	PERFORM tell_webhook_queues(ids, emails, users, times,
		array_fill(true, ARRAY[cardinality(ids)]));
	RETURN cardinality(ids);
END $$;
REVOKE ALL ON FUNCTION queue_webhooks FROM PUBLIC;

-- Gives jobs back that were not attempted. One that was handed out before its time keeps that.
CREATE FUNCTION release_webhooks(ids text[], leases text[], delay_ms bigint) RETURNS void
LANGUAGE plpgsql SET search_path = e2a, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_nestloop = off AS $$
DECLARE
	emails text[];
	users text[];
	times timestamptz[];
	early boolean[];
BEGIN
	WITH ours AS MATERIALIZED (
		SELECT j.message_id, j.drained FROM unnest(ids, leases) AS r (id, lease)
		JOIN webhook_jobs j ON j.message_id = r.id AND j.lease_id = r.lease
		WHERE j.message_id = ANY (ids) FOR UPDATE OF j SKIP LOCKED),
	free AS (
		UPDATE webhook_jobs j SET lease_id = NULL, lease_until = NULL, queued = true,
			drained = false, due_at = CASE WHEN j.drained THEN j.due_at
			ELSE now() + delay_ms * interval '1 ms' END
		FROM ours o WHERE j.message_id = o.message_id
		AND j.message_id = ANY (ARRAY(SELECT u.message_id FROM ours u))
		RETURNING j.message_id, j.agent_email, j.user_id, j.due_at, o.drained)
	SELECT array_agg(f.message_id), array_agg(f.agent_email), array_agg(f.user_id),
		array_agg(f.due_at), array_agg(f.drained)
	INTO ids, emails, users, times, early FROM free f;
	IF ids IS NULL THEN
		RETURN;
	END IF;
	PERFORM tell_webhook_queues(ids, emails, users, times,
		array_fill(true, ARRAY[cardinality(ids)]));
	-- Should the drain have ended since, because none was left to hand out, it goes on.
	UPDATE webhook_queues q SET drain_after = f.id,
		due_at = least(q.due_at, now() + delay_ms * interval '1 ms')
	FROM (SELECT t.agent_email, min(left(t.id, -1)) AS id
		FROM unnest(ids, emails, early) AS t (id, agent_email, early)
		WHERE t.early GROUP BY t.agent_email) f
	WHERE q.agent_email = f.agent_email AND q.agent_email = ANY (emails)
	AND q.drain_after IS NULL AND q.failures = 0 AND q.disabled_at IS NULL;
END $$;
REVOKE ALL ON FUNCTION release_webhooks FROM PUBLIC;

-- Endpoints that answered well after they had failed: theirs and those of the user's other
-- agents with the same URL. What waits for them is handed out at once.
CREATE FUNCTION recover_webhooks(emails text[]) RETURNS void
LANGUAGE sql SET search_path = e2a, pg_temp AS $$
	WITH back AS MATERIALIZED (
		SELECT q.agent_email FROM webhook_queues q WHERE q.agent_email = ANY (ARRAY(
			SELECT b.email FROM agents a
			JOIN agents b ON b.user_id = a.user_id AND b.webhook_url = a.webhook_url
			WHERE a.email = ANY (emails)))
		AND q.failures > 0 AND q.disabled_at IS NULL
		ORDER BY q.agent_email FOR UPDATE)
	UPDATE webhook_queues q SET failures = 0, failing_since = NULL, opens = 0,
		open_until = NULL, probe = NULL, drain_after = '',
		-- While a queue is drained, its due_at is the pace, whatever fails in between.
		due_at = CASE WHEN q.drain_after IS NOT NULL AND q.due_at IS NOT NULL
			THEN q.due_at ELSE now() END
	WHERE q.agent_email = ANY (ARRAY(SELECT b.agent_email FROM back b))
$$;
REVOKE ALL ON FUNCTION recover_webhooks FROM PUBLIC;

-- Ends jobs whose mail was delivered under these leases; returns how many still were under them.
-- A job that is locked is being deleted with its agent, which may take minutes: the results of
-- others do not wait for that. Should the deletion fail, another attempt is made when the
-- lease is over.
CREATE FUNCTION deliver_webhooks(ids text[], leases text[], statuses bigint[],
	durations_ms bigint[]) RETURNS bigint
LANGUAGE plpgsql SET search_path = e2a, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_nestloop = off AS $$
DECLARE
	emails text[];
BEGIN
	WITH ours AS MATERIALIZED (
		SELECT r.id, r.status, r.ms FROM webhook_jobs j
		JOIN unnest(ids, leases, statuses, durations_ms) AS r (id, lease, status, ms)
		ON j.message_id = r.id AND j.lease_id = r.lease
		WHERE j.message_id = ANY (ids) FOR UPDATE OF j SKIP LOCKED),
	gone AS (
		DELETE FROM webhook_jobs j USING ours o
		WHERE j.message_id = o.id AND j.message_id = ANY (ids)
		RETURNING j.message_id, j.user_id, j.agent_email, j.attempts, o.status, o.ms),
	ledger AS (
		INSERT INTO message_events (message_id, user_id, stage, outcome, detail)
		SELECT g.message_id, g.user_id, 'webhook', 'delivered', jsonb_build_object(
			'attempt', g.attempts + 1, 'status', g.status, 'ms', g.ms) FROM gone g)
	SELECT array_agg(g.agent_email) INTO emails FROM gone g;
	IF EXISTS (SELECT FROM webhook_queues q WHERE q.agent_email = ANY (emails)
			AND q.failures > 0) THEN
		PERFORM recover_webhooks(emails);
	END IF;
	RETURN coalesce(cardinality(emails), 0);
END $$;
REVOKE ALL ON FUNCTION deliver_webhooks FROM PUBLIC;

-- Notes failed attempts: the job's next time (waits_ms after each attempt, a fifth more or less
-- by chance; Retry-After counts between once and twice that), or its end; and what it says of
-- the endpoint. One at a URL that is not the agent's any more says nothing of it, and ends no
-- job. Returns how many still were under their lease.
CREATE FUNCTION fail_webhooks(ids text[], leases text[], statuses bigint[], durations_ms bigint[],
	reasons text[], finals bigint[], asked_ms bigint[], answers text[], urls text[],
	waits_ms bigint[], breaker_failures bigint, breaker_wait_ms bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = e2a, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_nestloop = off AS $$
DECLARE
	emails text[];
	users text[];
	words text[];
	codes bigint[];
	times timestamptz[];
	stales boolean[];
BEGIN
	WITH ours AS MATERIALIZED (
		SELECT r.*, j.attempts, j.drained AS early, now() + greatest(least(r.asked, 2 * w.ms),
				w.ms * (0.8 + 0.4 * random())) * interval '1 ms' AS next,
			r.url <> '' AND r.url IS DISTINCT FROM (SELECT a.webhook_url FROM agents a
				WHERE a.email = j.agent_email) AS stale
		FROM webhook_jobs j
		JOIN unnest(ids, leases, statuses, durations_ms, reasons, finals, asked_ms, answers,
				urls)
			AS r (id, lease, status, ms, reason, final, asked, answer, url)
		ON j.message_id = r.id AND j.lease_id = r.lease,
		LATERAL (SELECT coalesce(waits_ms[CASE WHEN j.drained THEN 1
			ELSE j.attempts + 1 END], 0) AS ms) w
		WHERE j.message_id = ANY (ids) FOR UPDATE OF j SKIP LOCKED),
	done AS (
		UPDATE webhook_jobs j SET
			attempts = j.attempts + CASE WHEN o.early THEN 0 ELSE 1 END,
			state = e.state, queued = e.state = 'pending',
			due_at = CASE WHEN o.early THEN greatest(j.due_at, o.next) ELSE o.next END,
			drained = o.early OR EXISTS (SELECT FROM webhook_queues q
				WHERE q.agent_email = j.agent_email AND q.drain_after IS NOT NULL),
			lease_id = NULL, lease_until = NULL,
			last_status = nullif(o.status, 0), last_error = o.reason
		FROM ours o, LATERAL (SELECT CASE WHEN o.final > 0 AND NOT o.stale
			OR NOT o.early AND o.attempts >= cardinality(waits_ms)
			THEN 'failed' ELSE 'pending' END AS state) e
		WHERE j.message_id = o.id AND j.message_id = ANY (ids)
		RETURNING j.message_id, j.user_id, j.agent_email, j.state, j.due_at, o.attempts,
			o.status, o.ms, o.reason, o.answer, o.stale),
	ledger AS (
		INSERT INTO message_events (message_id, user_id, stage, outcome, reason, detail)
		SELECT d.message_id, d.user_id, 'webhook',
			CASE d.state WHEN 'failed' THEN 'failed' ELSE 'deferred' END, d.reason,
			jsonb_build_object('attempt', d.attempts + 1, 'status', d.status,
				'ms', d.ms) || CASE WHEN d.answer = '' THEN '{}'
				ELSE jsonb_build_object('answer', d.answer) END
		FROM done d)
	SELECT array_agg(d.message_id), array_agg(d.agent_email), array_agg(d.user_id),
		array_agg(d.reason), array_agg(d.status),
		array_agg(CASE d.state WHEN 'pending' THEN d.due_at END), array_agg(d.stale)
	INTO ids, emails, users, words, codes, times, stales FROM done d;
	IF ids IS NULL THEN
		RETURN 0;
	END IF;

	INSERT INTO webhook_queues (agent_email, user_id)
		SELECT DISTINCT t.agent_email, t.user_id
		FROM unnest(emails, users) AS t (agent_email, user_id)
		ORDER BY t.agent_email ON CONFLICT DO NOTHING;
	-- What is no fault of the endpoint says nothing of it. While the breaker is open, only the
	-- probe decides.
	WITH told AS MATERIALIZED (
		SELECT t.agent_email, t.word, t.code, t.at, t.id,
			NOT t.stale AND t.word NOT IN ('not_cloud', 'no_secret') AS fault
		FROM unnest(ids, emails, words, codes, times, stales)
			AS t (id, agent_email, word, code, at, stale)),
	result AS MATERIALIZED (
		SELECT t.agent_email, min(t.at) AS at, count(*) FILTER (WHERE t.fault) AS faults,
			bool_or(t.fault AND t.word = 'http_gone') AS gone, array_agg(t.id) AS ids,
			array_agg(t.id) FILTER (WHERE t.fault) AS faulty,
			(array_agg(t.word ORDER BY t.id DESC) FILTER (WHERE t.fault))[1] AS word,
			(array_agg(t.code ORDER BY t.id DESC) FILTER (WHERE t.fault))[1] AS code
		FROM told t GROUP BY t.agent_email),
	mine AS MATERIALIZED (
		SELECT r.*, q.opens AS opened, q.open_until AS until,
			CASE WHEN q.open_until IS NULL THEN r.faults > 0
				AND q.failures + r.faults >= breaker_failures
			ELSE q.probe = ANY (r.faulty) END AS opens,
			q.probe = ANY (r.ids) AS probed
		FROM webhook_queues q JOIN result r ON r.agent_email = q.agent_email
		WHERE q.agent_email = ANY (emails)
		ORDER BY q.agent_email FOR UPDATE OF q),
	judged AS MATERIALIZED (
		SELECT m.*, CASE WHEN m.opens THEN now() + least(breaker_wait_ms,
				5000 * 2 ^ least(m.opened, 20)) * (0.8 + 0.2 * random())
				* interval '1 ms' ELSE m.until END AS open_until
		FROM mine m)
	UPDATE webhook_queues q SET
		failures = q.failures + j.faults,
		failing_since = CASE WHEN j.faults > 0 THEN coalesce(q.failing_since, now())
			ELSE q.failing_since END,
		opens = least(q.opens, 1000000) + CASE WHEN j.opens THEN 1 ELSE 0 END,
		open_until = j.open_until,
		probe = CASE WHEN NOT j.probed THEN q.probe END,
		drain_after = CASE WHEN j.open_until IS NULL AND NOT j.gone THEN q.drain_after END,
		first_due_at = least(q.first_due_at, j.at),
		due_at = CASE WHEN j.gone OR q.disabled_at IS NOT NULL THEN NULL
			WHEN j.opens THEN j.open_until
			WHEN j.open_until IS NOT NULL THEN CASE WHEN j.probed
				THEN greatest(j.open_until, now())
				ELSE coalesce(q.due_at, greatest(j.open_until, now())) END
			WHEN q.drain_after IS NOT NULL AND q.due_at IS NOT NULL THEN q.due_at
			ELSE least(q.due_at, j.at) END,
		disabled_at = CASE WHEN j.gone THEN coalesce(q.disabled_at, now())
			ELSE q.disabled_at END,
		disabled_reason = CASE WHEN j.gone AND q.disabled_at IS NULL THEN 'http_gone'
			ELSE q.disabled_reason END,
		ending = j.gone OR q.disabled_at IS NOT NULL,
		last_status = CASE WHEN j.faults > 0 THEN nullif(j.code, 0) ELSE q.last_status END,
		last_error = CASE WHEN j.faults > 0 THEN j.word ELSE q.last_error END,
		last_failed_at = CASE WHEN j.faults > 0 THEN now() ELSE q.last_failed_at END
	FROM judged j WHERE q.agent_email = j.agent_email AND q.agent_email = ANY (emails);
	RETURN cardinality(ids);
END $$;
REVOKE ALL ON FUNCTION fail_webhooks FROM PUBLIC;

-- Ends up to `most` jobs that nobody will call any more: those of disabled endpoints, and those
-- that are over while their endpoint has failed for all of `lifetime_ms`. Another one that is
-- over did not have its chance yet, because we or Postgres were away: it gets more time.
CREATE FUNCTION give_up_webhooks(lifetime_ms bigint, most bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = e2a, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_sort = off AS $$
DECLARE
	lifetime CONSTANT interval := lifetime_ms * interval '1 ms';
	queues CONSTANT bigint := 20;
	ended bigint;
	emails text[];
BEGIN
	WITH over AS MATERIALIZED (
		SELECT j.message_id, 'expired' AS why, q.failing_since
		FROM webhook_jobs j JOIN webhook_queues q ON q.agent_email = j.agent_email
		WHERE j.state = 'pending' AND j.queued AND j.give_up_at <= now()
		AND CASE WHEN j.lease_until >= now() THEN false ELSE true END
		ORDER BY j.give_up_at LIMIT most FOR UPDATE OF j SKIP LOCKED),
	longer AS (
		UPDATE webhook_jobs j SET
			give_up_at = coalesce(o.failing_since, now()) + lifetime
		FROM over o WHERE j.message_id = o.message_id
		AND j.message_id = ANY (ARRAY(SELECT v.message_id FROM over v))
		AND CASE WHEN o.failing_since + lifetime <= now() THEN false ELSE true END),
	refused AS MATERIALIZED (
		SELECT j.message_id FROM (SELECT w.agent_email FROM webhook_queues w
			WHERE w.ending ORDER BY w.agent_email LIMIT queues) q
		CROSS JOIN LATERAL (SELECT w.message_id FROM webhook_jobs w
			WHERE w.agent_email = q.agent_email AND w.state = 'pending'
			AND CASE WHEN w.lease_until >= now() THEN false ELSE true END
			ORDER BY w.message_id LIMIT most) f
		JOIN webhook_jobs j ON j.message_id = f.message_id
		WHERE j.state = 'pending' AND CASE WHEN j.lease_until >= now() THEN false ELSE true END
		LIMIT most FOR UPDATE OF j SKIP LOCKED),
	done AS (
		UPDATE webhook_jobs j SET state = 'failed', queued = false, lease_id = NULL,
			lease_until = NULL, last_error = e.why
		FROM (SELECT o.message_id, o.why FROM over o WHERE o.failing_since + lifetime <= now()
			UNION SELECT r.message_id, 'endpoint_disabled' FROM refused r
			WHERE NOT EXISTS (SELECT FROM over o WHERE o.message_id = r.message_id)) e
		WHERE j.message_id = e.message_id AND j.message_id = ANY (ARRAY(
			SELECT o.message_id FROM over o UNION ALL SELECT r.message_id FROM refused r))
		RETURNING j.message_id, j.user_id, j.attempts, j.last_error),
	ledger AS (
		INSERT INTO message_events (message_id, user_id, stage, outcome, reason, detail)
		SELECT d.message_id, d.user_id, 'webhook', 'failed', d.last_error,
			jsonb_build_object('attempt', d.attempts) FROM done d)
	SELECT count(*) INTO ended FROM done;

	-- Looked at with the row's lock in hand: whoever brings a job later says so again.
	SELECT array_agg(t.agent_email) INTO emails FROM (
		SELECT q.agent_email FROM webhook_queues q WHERE q.ending
		ORDER BY q.agent_email LIMIT queues FOR UPDATE SKIP LOCKED) t;
	UPDATE webhook_queues q SET ending = false WHERE q.agent_email = ANY (emails)
		AND NOT EXISTS (SELECT FROM webhook_jobs j WHERE j.agent_email = q.agent_email
			AND j.state = 'pending' AND j.queued);
	RETURN ended;
END $$;
REVOKE ALL ON FUNCTION give_up_webhooks FROM PUBLIC;
