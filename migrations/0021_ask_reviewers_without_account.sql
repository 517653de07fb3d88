-- SPDX-License-Identifier: Apache-2.0
-- As before, but who deletes an account goes on to be asked about the mail of agents of
-- others that they review: for that they need none.

CREATE OR REPLACE FUNCTION delete_account(owner text, with_key text, with_session bytea, why text)
RETURNS TABLE (usage_events_n bigint, usage_summaries_n bigint, messages_n bigint, agents_n bigint,
	domains_n bigint, api_keys_n bigint, sessions_n bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
DECLARE
	address text;
	n bigint;
BEGIN
	messages_n := 0;
	usage_events_n := 0;
	IF NOT EXISTS (SELECT FROM api_keys k WHERE k.id = with_key AND k.user_id = owner
			AND k.scope = 'account' AND k.revoked_at IS NULL
			AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp()))
		AND NOT EXISTS (SELECT FROM sessions s WHERE s.hash = with_session
			AND s.user_id = owner AND s.expires_at > clock_timestamp()) THEN
		RETURN;
	END IF;
	-- Known by the address only. First, and the agents before the user, because who
	-- signs in or stores mail takes these locks in this order.
	SELECT u.email INTO address FROM users u WHERE u.id = owner;
	DELETE FROM sign_in_links l WHERE lower(l.email) = lower(address);
	DELETE FROM mail_jobs j WHERE lower(j.recipient) = lower(address)
		AND j.message_id IS NULL;
	DELETE FROM feedback f WHERE lower(f.email) = lower(address);
	-- Twice, because it may take long: first while mail still comes in and nobody has
	-- to wait; then the rest, with the agents locked: mail that is being stored is
	-- waited for, and mail that comes now waits for us and finds no agent.
	FOR pass IN 1 .. 2 LOOP
		IF pass = 2 THEN
			PERFORM FROM agents a WHERE a.user_id = owner ORDER BY a.email FOR UPDATE;
			PERFORM FROM users u WHERE u.id = owner FOR UPDATE;
		END IF;
		WITH dropped AS (
			DELETE FROM webhook_jobs j USING agents a
			WHERE j.agent_email = a.email AND a.user_id = owner
			RETURNING j.message_id, j.state)
		INSERT INTO message_events (message_id, user_id, stage, outcome, reason)
			SELECT d.message_id, owner, 'webhook', 'failed', why
			FROM dropped d WHERE d.state = 'pending';
		-- A mail that went to others too keeps its bytes.
		WITH gone AS (
			DELETE FROM messages m WHERE m.user_id = owner RETURNING m.raw_id),
		bodies AS (
			DELETE FROM raw_messages r USING (SELECT DISTINCT g.raw_id FROM gone g) g
			WHERE r.id = g.raw_id AND NOT EXISTS (
				SELECT FROM messages m WHERE m.raw_id = r.id AND m.user_id <> owner))
		SELECT messages_n + count(*) INTO messages_n FROM gone;
		DELETE FROM usage_events e WHERE e.user_id = owner;
		GET DIAGNOSTICS n = ROW_COUNT;
		usage_events_n := usage_events_n + n;
	END LOOP;
	DELETE FROM usage_summaries s WHERE s.user_id = owner;
	GET DIAGNOSTICS usage_summaries_n = ROW_COUNT;
	DELETE FROM agents a WHERE a.user_id = owner;
	GET DIAGNOSTICS agents_n = ROW_COUNT;
	DELETE FROM domains d WHERE d.user_id = owner;
	GET DIAGNOSTICS domains_n = ROW_COUNT;
	DELETE FROM api_keys k WHERE k.user_id = owner;
	GET DIAGNOSTICS api_keys_n = ROW_COUNT;
	DELETE FROM sessions s WHERE s.user_id = owner;
	GET DIAGNOSTICS sessions_n = ROW_COUNT;
	-- The rest goes with the user.
	DELETE FROM users u WHERE u.id = owner;
	RETURN NEXT;
END
$$;
