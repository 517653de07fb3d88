-- SPDX-License-Identifier: Apache-2.0
-- Jobs that were handed out before their time, by somebody who is gone, are due in their own time
-- only, which may be a day away. Those of an endpoint that is well are handed out again at once.
CREATE FUNCTION take_back_webhooks(most bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = e2a, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_sort = off AS $$
DECLARE
	ids text[];
	leases text[];
BEGIN
	SELECT array_agg(t.message_id), array_agg(t.lease_id) INTO ids, leases FROM (
		SELECT j.message_id, j.lease_id FROM webhook_jobs j
		WHERE j.state = 'pending' AND j.queued AND j.drained AND j.lease_until < now()
		ORDER BY j.agent_email, j.due_at LIMIT most FOR UPDATE SKIP LOCKED) t;
	PERFORM release_webhooks(ids, leases, 0) WHERE ids IS NOT NULL;
	RETURN coalesce(cardinality(ids), 0);
END $$;
REVOKE ALL ON FUNCTION take_back_webhooks FROM PUBLIC;
