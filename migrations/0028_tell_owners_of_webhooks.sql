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

-- The next owner who has to be told: of a webhook that is disabled, or has failed for `after_ms`
-- while there is mail for it; of each trouble once, of a worse one once more, and of none when
-- they were told something less than `after_ms` ago. In the transaction of the mail. Locks are
-- not waited for: whoever has them tells, or deletes.
CREATE FUNCTION tell_webhook_owner(after_ms bigint, most bigint, OUT user_id text, OUT address text,
	OUT agent text, OUT trouble text, OUT reason text, OUT since timestamptz, OUT failures bigint,
	OUT last_status integer, OUT last_error text, OUT pending bigint, OUT failed bigint)
RETURNS SETOF record
LANGUAGE sql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
	WITH due AS MATERIALIZED (
		SELECT q.agent_email, u.id, u.email, t.trouble
		FROM webhook_queues q JOIN agents a ON a.email = q.agent_email
		JOIN users u ON u.id = a.user_id,
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
		LIMIT 1 FOR KEY SHARE OF u SKIP LOCKED FOR UPDATE OF q SKIP LOCKED),
	told AS (
		UPDATE webhook_queues q SET told = d.trouble, told_at = now() FROM due d
		WHERE q.agent_email = d.agent_email RETURNING q.*)
	SELECT d.id, d.email, d.agent_email, d.trouble, t.disabled_reason,
		coalesce(t.failing_since, t.disabled_at), t.failures, t.last_status, t.last_error,
		(SELECT count(*) FROM (SELECT FROM webhook_jobs j WHERE j.agent_email = d.agent_email
			AND j.state = 'pending' LIMIT most) c),
		(SELECT count(*) FROM (SELECT FROM webhook_jobs j WHERE j.agent_email = d.agent_email
			AND j.state = 'failed' LIMIT most) c)
	FROM due d JOIN told t ON t.agent_email = d.agent_email
$$;
REVOKE ALL ON FUNCTION tell_webhook_owner FROM PUBLIC;
