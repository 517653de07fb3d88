-- SPDX-License-Identifier: Apache-2.0
-- Who owns an agent is told by mail that its webhook fails, and what they were told last is
-- in the row of its queue.
ALTER TABLE webhook_queues
	ADD COLUMN told text NOT NULL DEFAULT '' CHECK (told IN ('', 'failing', 'failed', 'disabled')),
	ADD COLUMN told_at timestamptz;
ALTER TABLE mail_jobs
	DROP CONSTRAINT mail_jobs_kind_check,
	ADD CONSTRAINT mail_jobs_kind_check CHECK (kind IN ('sign_in', 'feedback', 'delegation',
		'reviewer', 'hold', 'hold_reminder', 'hold_answer', 'webhook'));

CREATE INDEX webhook_queues_told_idx ON webhook_queues (user_id, told_at) WHERE told_at IS NOT NULL;

-- What owners have to be told of: webhooks that are disabled, or have failed for `after_ms` while
-- there is mail for them; of each trouble once, of a worse one once more, and of none of which
-- they were told something less than `after_ms` ago.
CREATE FUNCTION webhook_troubles(after_ms bigint)
RETURNS TABLE (agent_email text, user_id text, trouble text)
LANGUAGE sql STABLE SET search_path = e2a, pg_temp AS $$
	SELECT q.agent_email, a.user_id, t.trouble
	FROM webhook_queues q JOIN agents a ON a.email = q.agent_email,
	LATERAL (SELECT CASE WHEN q.disabled_at IS NOT NULL THEN 'disabled'
		WHEN EXISTS (SELECT FROM webhook_jobs j
			WHERE j.agent_email = q.agent_email AND j.state = 'failed') THEN 'failed'
		WHEN EXISTS (SELECT FROM webhook_jobs j
			WHERE j.agent_email = q.agent_email AND j.state = 'pending') THEN 'failing'
		END AS trouble) t
	WHERE (q.disabled_at IS NOT NULL OR q.failing_since IS NOT NULL)
	AND (q.disabled_at IS NOT NULL
		OR q.failing_since < now() - after_ms * interval '1 ms')
	AND (q.told_at IS NULL OR q.told_at < now() - after_ms * interval '1 ms'
		AND (q.told <> t.trouble OR q.told_at < coalesce(q.disabled_at, q.failing_since)))
	AND a.agent_mode = 'cloud' AND t.trouble IS NOT NULL
$$;
REVOKE ALL ON FUNCTION webhook_troubles FROM PUBLIC;

-- The next owner who has to be told, and of what, up to `most` webhooks; an owner who was told
-- something less than `gap_ms` ago waits. In the transaction of the mail. Locks are not
-- waited for: whoever has them tells, or deletes.
CREATE FUNCTION tell_webhook_owner(after_ms bigint, gap_ms bigint, most bigint, counted bigint,
	OUT user_id text, OUT address text, OUT agent text, OUT trouble text, OUT reason text,
	OUT since timestamptz, OUT failures bigint, OUT last_status integer, OUT last_error text,
	OUT pending bigint, OUT failed bigint)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
#variable_conflict use_column
DECLARE
	who text;
	mail_address text;
BEGIN
	SELECT u.id, u.email INTO who, mail_address
		FROM webhook_troubles(after_ms) t JOIN users u ON u.id = t.user_id
		WHERE NOT EXISTS (SELECT FROM webhook_queues q WHERE q.user_id = t.user_id
			AND q.told_at > now() - gap_ms * interval '1 ms')
		LIMIT 1 FOR NO KEY UPDATE OF u SKIP LOCKED;
	RETURN QUERY WITH due AS MATERIALIZED (
		SELECT q.agent_email, t.trouble FROM webhook_troubles(after_ms) t
		JOIN webhook_queues q ON q.agent_email = t.agent_email
		WHERE t.user_id = who
		AND (q.told_at IS NULL OR q.told_at < now() - after_ms * interval '1 ms')
		ORDER BY q.agent_email LIMIT most FOR UPDATE OF q SKIP LOCKED),
	told AS (
		UPDATE webhook_queues q SET told = d.trouble, told_at = now() FROM due d
		WHERE q.agent_email = d.agent_email RETURNING q.*)
	SELECT who, mail_address, t.agent_email, t.told, t.disabled_reason,
		coalesce(t.failing_since, t.disabled_at), t.failures, t.last_status, t.last_error,
		(SELECT count(*) FROM (SELECT FROM webhook_jobs j WHERE j.agent_email = t.agent_email
			AND j.state = 'pending' LIMIT counted) c),
		(SELECT count(*) FROM (SELECT FROM webhook_jobs j WHERE j.agent_email = t.agent_email
			AND j.state = 'failed' LIMIT counted) c)
	FROM told t ORDER BY t.agent_email;
END $$;
REVOKE ALL ON FUNCTION tell_webhook_owner FROM PUBLIC;
