-- SPDX-License-Identifier: Apache-2.0
-- The only ways by which e2a-apid's role writes mail from agents, and by which it
-- changes whether a human has to agree. Definer's functions: from there is no way to a job,
-- to a mail in another agent's name, nor to the release of a mail that is held. (The role
-- makes credentials, so whoever has it can act as any user does.)

-- Is this a credential of the whole account: the id of an API key or the hash of a
-- session?
CREATE FUNCTION is_account(owner text, with_key text, with_session bytea) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
	SELECT EXISTS (SELECT FROM api_keys k WHERE k.id = with_key AND k.user_id = owner
			AND k.scope = 'account' AND k.revoked_at IS NULL
			AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp()))
		OR EXISTS (SELECT FROM sessions s WHERE s.hash = with_session
			AND s.user_id = owner AND s.expires_at > clock_timestamp())
$$;
REVOKE ALL ON FUNCTION is_account FROM PUBLIC;

-- False: no such agent, or the credential is not good.
CREATE FUNCTION set_hitl(owner text, agent text, with_key text, with_session bytea,
	enabled boolean, ttl_seconds bigint, expiration_action text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
BEGIN
	IF NOT is_account(owner, with_key, with_session) THEN
		RETURN false;
	END IF;
	UPDATE agents a SET hitl_enabled = enabled, hitl_ttl_seconds = ttl_seconds,
			hitl_expiration_action = expiration_action
		WHERE a.user_id = owner AND a.email = agent;
	RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION set_hitl FROM PUBLIC;

-- Is it an answer to one of the peers, whatever the mail says of itself? They have written
-- to the agent within the span. (Of a busy agent the last mails are looked at.)
CREATE FUNCTION is_exchange(agent text, peers text[], span interval) RETURNS boolean
LANGUAGE sql STABLE SET search_path = e2a, pg_temp AS $$
	SELECT EXISTS (SELECT FROM (SELECT m.header_from FROM messages m
			WHERE m.agent_email = agent AND m.direction = 'inbound'
			AND m.created_at > now() - span
			ORDER BY m.created_at DESC LIMIT 1000) m
		WHERE lower(m.header_from) = ANY (peers))
$$;
REVOKE ALL ON FUNCTION is_exchange FROM PUBLIC;

-- Whether one more mail may go to each of the peers without a human: two programs that
-- answer each other would never end. Counted by thread, and by peer alone, up to three times as
-- many: what a thread is called is for the peer to say, and some call each mail a new one.
-- In the order of the addresses, so that two mails at once do not wait for each other.
CREATE FUNCTION within_reply_budget(agent text, peers text[], thread text, most bigint,
	span interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
DECLARE
	counted record;
BEGIN
	FOR counted IN SELECT DISTINCT p AS peer, c.name, c.allowed FROM unnest(peers) p,
			(VALUES (thread, most), ('', 3 * most)) AS c (name, allowed)
			WHERE c.name <> '' OR c.allowed > most ORDER BY 1, 2 LOOP
		IF take_slot('reply:' || encode(sha256(convert_to(
				json_build_array(agent, counted.peer, counted.name)::text, 'UTF8')),
				'hex'), counted.allowed::integer, span) > 0 THEN
			RETURN false;
		END IF;
	END LOOP;
	RETURN true;
END
$$;
REVOKE ALL ON FUNCTION within_reply_budget FROM PUBLIC;

-- A mail of an agent. By the agent's own row, which is locked against a change
-- meanwhile, it is sent or held. No row: there is no such agent, or nobody has proved
-- its domain. `author` is the agent's address; but a test mail goes from noreply@ to the
-- agent alone. `folded` are the addresses of the three lists as they are compared;
-- `thread` is empty for mail that begins one.
CREATE FUNCTION submit_outbound(new_id text, owner text, agent text, kind text, author text,
	own_message_id text, subject text, body_text text, body_html text,
	to_list text[], cc_list text[], bcc_list text[], folded text[],
	conversation text, answers text, reference_ids text[], mark text, attached_bytes bigint,
	thread text, reply_budget bigint, reply_budget_ms bigint,
	retention_ms bigint, lifetime_ms bigint, count_usage boolean)
RETURNS TABLE (outcome text, reason text, expires timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
DECLARE
	a agents;
	bytes bigint := octet_length(body_text) + octet_length(body_html) + attached_bytes;
	span interval := reply_budget_ms * interval '1 ms';
BEGIN
	SELECT g.* INTO a FROM agents g WHERE g.email = agent AND g.user_id = owner
		AND EXISTS (SELECT FROM mail_recipients r WHERE r.email = g.email) FOR SHARE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	IF (CASE kind WHEN 'test' THEN folded <> ARRAY[a.address] OR author NOT LIKE 'noreply@%'
			OR EXISTS (SELECT FROM agents g WHERE g.address = lower(author))
		ELSE lower(author) <> a.address END) THEN
		RAISE EXCEPTION 'not an author for this agent';
	END IF;
	reason := CASE
		WHEN a.hitl_enabled THEN 'hitl'
		WHEN (thread <> '' OR is_exchange(agent, folded, span))
			AND NOT within_reply_budget(a.address, folded, thread, reply_budget, span)
			THEN 'reply_budget'
		ELSE '' END;
	outcome := CASE reason WHEN '' THEN 'sent' ELSE 'pending_approval' END;
	expires := CASE WHEN reason <> ''
		THEN clock_timestamp() + a.hitl_ttl_seconds * interval '1 s' END;
	INSERT INTO messages (id, user_id, agent_email, direction, status, type, hold_reason,
			approval_expires_at, header_from, sender, recipient, to_addresses,
			cc_addresses, bcc_addresses, subject, email_message_id, in_reply_to,
			auto_submitted, conversation_id, entity_type, expires_at)
		VALUES (new_id, owner, agent, 'outbound', outcome, kind, reason, expires, author,
			author, coalesce(to_list[1], ''), to_list, cc_list, bcc_list, subject,
			own_message_id, answers, mark, conversation, 'agent',
			clock_timestamp() + retention_ms * interval '1 ms');
	INSERT INTO outbound_drafts (message_id, body_text, body_html, reference_ids)
		VALUES (new_id, body_text, body_html, reference_ids);
	INSERT INTO outbound_recipients (message_id, n, kind, address, folded, part)
		SELECT new_id, l.n, l.kind, l.address, folded[l.n], CASE WHEN EXISTS (
				SELECT FROM mail_domains d
				WHERE d.domain = substring(folded[l.n] FROM '[^@]*$'))
			THEN 'agents' ELSE 'world' END
		FROM (SELECT row_number() OVER (ORDER BY k.place, u.i) AS n, k.kind, u.address
			FROM (VALUES (1, 'to', to_list), (2, 'cc', cc_list), (3, 'bcc', bcc_list))
				AS k (place, kind, list),
			unnest(k.list) WITH ORDINALITY AS u (address, i)) l;
	IF reason = '' THEN
		INSERT INTO outbound_jobs (id, message_id, user_id, agent_email, part, size,
				give_up_at)
			SELECT 'job_' || substr(new_id, 5) || '_' || r.part, new_id, owner, agent,
				r.part, bytes, clock_timestamp() + lifetime_ms * interval '1 ms'
			FROM outbound_recipients r WHERE r.message_id = new_id GROUP BY r.part;
	END IF;
	INSERT INTO message_events (message_id, user_id, stage, outcome, reason)
		VALUES (new_id, owner, 'outbound', CASE reason WHEN '' THEN 'accepted' ELSE 'held' END,
			reason);
	IF count_usage AND reason = '' AND kind <> 'test' THEN
		INSERT INTO usage_events (id, user_id, agent_email, domain, direction)
			VALUES ('ue_' || substr(new_id, 5), owner, agent, a.domain, 'outbound');
	END IF;
	RETURN NEXT;
END
$$;
REVOKE ALL ON FUNCTION submit_outbound FROM PUBLIC;

-- An attachment of a message that this transaction has submitted. Later nobody adds any:
-- the draft tells who wrote it, because nobody who may call this can touch its row. (The
-- message's they can: a mark of read is enough to make it theirs.)
CREATE FUNCTION attach_outbound(message text, place integer, name text, type text, bytes bytea)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM outbound_drafts d WHERE d.message_id = message
			AND d.xmin = pg_current_xact_id()::xid) THEN
		RAISE EXCEPTION 'not a message of this transaction';
	END IF;
	INSERT INTO outbound_attachments (message_id, n, filename, content_type, data)
		VALUES (message, place, name, type, bytes);
END
$$;
REVOKE ALL ON FUNCTION attach_outbound FROM PUBLIC;
