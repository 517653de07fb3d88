-- SPDX-License-Identifier: Apache-2.0
-- A human decides about held mail. Functions do it that look at the credential
-- themselves; of any number of deciders one gets 'ok'. What was approved is what leaves:
-- the draft's hash is taken with the decision and compared before the mail is composed,
-- and it is composed once.

ALTER TABLE messages
	ADD COLUMN review_channel text NOT NULL DEFAULT ''
		CHECK (review_channel IN ('', 'api', 'session', 'link', 'mail', 'expiry')),
	-- the address of a reviewer or of the account, or the id of an API key
	ADD COLUMN reviewed_by text NOT NULL DEFAULT '',
	-- when the hold ended, whoever ended it
	ADD COLUMN decided_at timestamptz,
	ADD COLUMN approved_hash bytea;
CREATE INDEX messages_expiring_idx ON messages (approval_expires_at)
	WHERE status = 'pending_approval';

-- Who is asked about the mail of an agent. They agreed by a link that was mailed to them,
-- and chose themselves what they get by mail.
CREATE TABLE reviewers (
	id text PRIMARY KEY,
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	agent_email text NOT NULL REFERENCES agents ON DELETE CASCADE,
	address text NOT NULL,
	folded text NOT NULL, -- as addresses are compared
	-- who was active and ended it has left
	state text NOT NULL DEFAULT 'pending'
		CHECK (state IN ('pending', 'active', 'declined', 'left')),
	full_text boolean NOT NULL DEFAULT false,
	by_reply boolean NOT NULL DEFAULT false CHECK (full_text OR NOT by_reply),
	link_hash bytea NOT NULL UNIQUE,
	link_expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	confirmed_at timestamptz,
	UNIQUE (agent_email, folded)
);
CREATE INDEX reviewers_user_idx ON reviewers (user_id);

-- What was mailed to a reviewer: of a token only the SHA-256. The mail that it is about
-- may be gone, which its page then says. The nonce is half of its key, the other half is
-- the deployment's.
CREATE TABLE approval_tokens (
	hash bytea PRIMARY KEY,
	message_id text NOT NULL,
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	action text NOT NULL CHECK (action IN ('approve', 'reject', 'reply')),
	reviewer text NOT NULL, -- address
	nonce bytea NOT NULL,
	draft_hash bytea NOT NULL,
	expires_at timestamptz NOT NULL,
	used_at timestamptz
);
CREATE INDEX approval_tokens_message_idx ON approval_tokens (message_id);
CREATE INDEX approval_tokens_user_idx ON approval_tokens (user_id);
CREATE INDEX approval_tokens_expiry_idx ON approval_tokens (expires_at);

-- Mail about a message: for whom is in the row, what it says is made when it is sent.
ALTER TABLE mail_jobs
	ADD COLUMN message_id text REFERENCES messages ON DELETE CASCADE,
	DROP CONSTRAINT mail_jobs_kind_check,
	ADD CONSTRAINT mail_jobs_kind_check CHECK (kind IN ('sign_in', 'feedback', 'delegation',
		'reviewer', 'hold', 'hold_reminder', 'hold_answer')),
	-- What an older e2a-deliverd says of it, which still runs during an upgrade: it is to
	-- leave such mail to the next one.
	ADD CONSTRAINT mail_jobs_later_check
		CHECK (kind NOT IN ('hold', 'hold_reminder') OR last_error <> 'unreadable');
CREATE INDEX mail_jobs_message_idx ON mail_jobs (message_id) WHERE message_id IS NOT NULL;
-- A flood of holds is not to keep somebody waiting who wants to sign in.
CREATE INDEX mail_jobs_due_own_idx ON mail_jobs (due_at)
	WHERE state = 'pending' AND message_id IS NULL;
CREATE INDEX mail_jobs_asking_idx ON mail_jobs (user_id)
	WHERE state = 'pending' AND kind = 'hold';

-- An approved mail, composed and signed once: every attempt sends these bytes.
CREATE TABLE outbound_mails (
	job_id text PRIMARY KEY REFERENCES outbound_jobs ON DELETE CASCADE,
	hash bytea NOT NULL,
	mail bytea NOT NULL
);
ALTER TABLE outbound_mails ALTER COLUMN mail SET STORAGE EXTERNAL;

-- All that decides what leaves, and to whom.
CREATE FUNCTION draft_hash(message text) RETURNS bytea
LANGUAGE sql STABLE SET search_path = e2a, pg_temp AS $$
	SELECT sha256(convert_to(json_build_array('e2a draft 1', m.id, m.agent_email, m.type,
			m.header_from, m.email_message_id, m.to_addresses, m.cc_addresses,
			m.bcc_addresses, m.subject, m.in_reply_to, m.conversation_id,
			m.auto_submitted, d.reference_ids,
			encode(sha256(convert_to(d.body_text, 'UTF8')), 'hex'),
			encode(sha256(convert_to(d.body_html, 'UTF8')), 'hex'),
			(SELECT json_agg(json_build_array(r.kind, r.address, r.folded) ORDER BY r.n)
				FROM outbound_recipients r WHERE r.message_id = m.id),
			(SELECT json_agg(json_build_array(f.filename, f.content_type,
				encode(sha256(f.data), 'hex')) ORDER BY f.n)
				FROM outbound_attachments f WHERE f.message_id = m.id))::text, 'UTF8'))
	FROM messages m JOIN outbound_drafts d ON d.message_id = m.id WHERE m.id = message
$$;
REVOKE ALL ON FUNCTION draft_hash FROM PUBLIC;

-- Who is asked about an agent's mail: those who agreed to be, else the owner. Nobody at an
-- address that an agent could read.
CREATE FUNCTION hold_reviewers(agent text)
RETURNS TABLE (address text, full_text boolean, by_reply boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
	WITH asked AS MATERIALIZED (SELECT w.* FROM (
			SELECT r.address, r.full_text, r.by_reply, true AS named FROM reviewers r
			WHERE r.agent_email = agent AND r.state = 'active'
			UNION ALL SELECT u.email, false, false, false FROM agents a
			JOIN users u ON u.id = a.user_id WHERE a.email = agent) w
		WHERE NOT EXISTS (SELECT FROM mail_domains d
			WHERE d.domain = lower(substring(w.address FROM '[^@]*$'))))
	SELECT w.address, w.full_text, w.by_reply FROM asked w
	WHERE w.named OR NOT EXISTS (SELECT FROM asked o WHERE o.named)
$$;
REVOKE ALL ON FUNCTION hold_reviewers FROM PUBLIC;

-- Writes down who gets a mail, and by which of the two ways it goes to them.
CREATE FUNCTION address_outbound(message text, folded text[]) RETURNS void
LANGUAGE sql SET search_path = e2a, pg_temp AS $$
	INSERT INTO outbound_recipients (message_id, n, kind, address, folded, part)
		SELECT m.id, l.n, l.kind, l.address, folded[l.n], CASE WHEN EXISTS (
				SELECT FROM mail_domains d
				WHERE d.domain = substring(folded[l.n] FROM '[^@]*$'))
			THEN 'agents' ELSE 'world' END
		FROM messages m CROSS JOIN LATERAL (
			SELECT row_number() OVER (ORDER BY k.place, u.i) AS n, k.kind, u.address
			FROM (VALUES (1, 'to', m.to_addresses), (2, 'cc', m.cc_addresses),
				(3, 'bcc', m.bcc_addresses)) AS k (place, kind, list),
			unnest(k.list) WITH ORDINALITY AS u (address, i)) l
		WHERE m.id = message
$$;
REVOKE ALL ON FUNCTION address_outbound FROM PUBLIC;

-- Attachments belong to a draft that is being written; to one that was approved there is
-- nothing to add.
CREATE OR REPLACE FUNCTION attach_outbound(message text, place integer, name text, type text,
	bytes bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM outbound_drafts d JOIN messages m ON m.id = d.message_id
			WHERE d.message_id = message AND d.xmin = pg_current_xact_id()::xid
			AND m.approved_hash IS NULL) THEN
		RAISE EXCEPTION 'not a message of this transaction';
	END IF;
	INSERT INTO outbound_attachments (message_id, n, filename, content_type, data)
		VALUES (message, place, name, type, bytes);
END
$$;

-- From here on it is e2a-deliverd's to send.
CREATE FUNCTION queue_outbound(message text, attached_bytes bigint, lifetime_ms bigint,
	count_usage boolean) RETURNS void
LANGUAGE sql SET search_path = e2a, pg_temp AS $$
	INSERT INTO outbound_jobs (id, message_id, user_id, agent_email, part, size, give_up_at)
		SELECT 'job_' || substr(m.id, 5) || '_' || r.part, m.id, m.user_id, m.agent_email,
			r.part, octet_length(d.body_text) + octet_length(d.body_html) + attached_bytes,
			clock_timestamp() + lifetime_ms * interval '1 ms'
		FROM messages m JOIN outbound_drafts d ON d.message_id = m.id
		CROSS JOIN LATERAL (SELECT DISTINCT p.part FROM outbound_recipients p
			WHERE p.message_id = m.id) r
		WHERE m.id = message;
	INSERT INTO usage_events (id, user_id, agent_email, domain, direction)
		SELECT 'ue_' || substr(m.id, 5), m.user_id, m.agent_email, a.domain, 'outbound'
		FROM messages m JOIN agents a ON a.email = m.agent_email
		WHERE m.id = message AND count_usage AND m.type <> 'test'
$$;
REVOKE ALL ON FUNCTION queue_outbound FROM PUBLIC;

CREATE FUNCTION note_hold(message text, outcome text, reason text, detail jsonb) RETURNS void
LANGUAGE sql SET search_path = e2a, pg_temp AS $$
	INSERT INTO message_events (message_id, user_id, stage, outcome, reason, detail)
		SELECT m.id, m.user_id, 'hold', outcome, reason, detail FROM messages m
		WHERE m.id = message
$$;
REVOKE ALL ON FUNCTION note_hold FROM PUBLIC;

-- Nobody needs to be asked any more. (A mail that is under way ends by itself.)
CREATE FUNCTION ask_no_more(message text) RETURNS void
LANGUAGE sql SET search_path = e2a, pg_temp AS $$
	DELETE FROM mail_jobs j WHERE j.message_id = message AND j.kind IN ('hold', 'hold_reminder')
		AND (j.lease_until IS NULL OR j.lease_until < clock_timestamp())
$$;
REVOKE ALL ON FUNCTION ask_no_more FROM PUBLIC;

-- The two ends of a hold, for those below, who have locked the row and seen that it is
-- pending. A human's time of review is also that of the decision; a timer reviews nothing.
CREATE FUNCTION release_hold(message text, new_status text, channel text, who text,
	lifetime_ms bigint, count_usage boolean) RETURNS void
LANGUAGE plpgsql SET search_path = e2a, pg_temp AS $$
DECLARE
	at timestamptz := clock_timestamp();
	hash bytea := draft_hash(message);
	was_edited boolean;
BEGIN
	IF hash IS NULL THEN
		RAISE EXCEPTION 'a hold without a draft';
	END IF;
	-- the domains of others may have come, or gone, since it was held
	UPDATE outbound_recipients r SET updated_at = at, part = CASE WHEN EXISTS (
			SELECT FROM mail_domains d
			WHERE d.domain = substring(r.folded FROM '[^@]*$'))
		THEN 'agents' ELSE 'world' END
		WHERE r.message_id = message;
	UPDATE messages m SET status = new_status, review_channel = channel, reviewed_by = who,
			reviewed_at = CASE WHEN channel <> 'expiry' THEN at END, decided_at = at,
			approved_hash = hash
		WHERE m.id = message RETURNING m.edited INTO was_edited;
	PERFORM queue_outbound(message, (SELECT coalesce(sum(octet_length(f.data)), 0)
		FROM outbound_attachments f WHERE f.message_id = message), lifetime_ms, count_usage);
	PERFORM note_hold(message, 'approved', channel, jsonb_build_object('by', who,
		'edited', was_edited, 'draft', encode(hash, 'hex')));
	PERFORM ask_no_more(message);
END
$$;
REVOKE ALL ON FUNCTION release_hold FROM PUBLIC;

CREATE FUNCTION drop_hold(message text, new_status text, channel text, who text, why text)
RETURNS void
LANGUAGE plpgsql SET search_path = e2a, pg_temp AS $$
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	UPDATE messages m SET status = new_status, review_channel = channel, reviewed_by = who,
			reviewed_at = CASE WHEN channel <> 'expiry' THEN at END, decided_at = at,
			rejection_reason = why
		WHERE m.id = message;
	UPDATE outbound_recipients r SET status = 'failed', detail = new_status, updated_at = at
		WHERE r.message_id = message;
	DELETE FROM outbound_drafts d WHERE d.message_id = message;
	PERFORM note_hold(message, CASE channel WHEN 'expiry' THEN 'expired' ELSE 'rejected' END,
		channel, jsonb_build_object('by', who));
	PERFORM ask_no_more(message);
END
$$;
REVOKE ALL ON FUNCTION drop_hold FROM PUBLIC;

-- Locks a hold for somebody who wants to decide it. `outcome` is 'ok'; 'not_found': the
-- user has no such mail; 'resolved': it is not pending; 'unauthorized': the credential is
-- not good for this act; 'changed': the mail is not the one that the token is about. One
-- credential counts: an API key of the account, a session, or the hash of a token that was
-- mailed, for this act, to somebody who is still asked about this agent's mail.
CREATE FUNCTION open_hold(message text, owner text, with_key text, with_session bytea,
	with_token bytea, act text, OUT outcome text, OUT channel text, OUT who text)
LANGUAGE plpgsql SET search_path = e2a, pg_temp AS $$
DECLARE
	m messages;
	t approval_tokens;
BEGIN
	IF with_token <> '' THEN
		SELECT k.* INTO t FROM approval_tokens k WHERE k.hash = with_token
			AND k.message_id = message AND k.user_id = owner AND k.action = act
			AND k.expires_at > clock_timestamp();
		channel := CASE act WHEN 'reply' THEN 'mail' ELSE 'link' END;
		who := t.reviewer;
	ELSIF is_account(owner, with_key, with_session) THEN
		channel := CASE WHEN with_session <> '' THEN 'session' ELSE 'api' END;
		who := CASE channel WHEN 'api' THEN with_key
			ELSE (SELECT u.email FROM users u WHERE u.id = owner) END;
	END IF;
	IF who IS NULL THEN
		outcome := 'unauthorized';
		RETURN;
	END IF;
	SELECT g.* INTO m FROM messages g WHERE g.id = message AND g.user_id = owner
		AND g.direction = 'outbound' FOR NO KEY UPDATE;
	outcome := CASE WHEN m.id IS NULL THEN 'not_found'
		WHEN m.status <> 'pending_approval' THEN 'resolved'
		WHEN channel IN ('api', 'session') THEN 'ok'
		WHEN NOT EXISTS (SELECT FROM hold_reviewers(m.agent_email) r
			WHERE lower(r.address) = lower(who) AND (act <> 'reply' OR r.by_reply))
			THEN 'unauthorized'
		WHEN t.draft_hash IS DISTINCT FROM draft_hash(message) THEN 'changed'
		ELSE 'ok' END;
END
$$;
REVOKE ALL ON FUNCTION open_hold FROM PUBLIC;

-- Changes a mail that is about to be approved in this transaction; NULL leaves a thing as it
-- is. The three lists and their compared form come together. Attachments that replace the
-- present ones follow by attach_outbound(). Returns the outcome of open_hold().
CREATE FUNCTION edit_hold(message text, owner text, with_key text, with_session bytea,
	new_subject text, new_text text, new_html text, new_to text[], new_cc text[],
	new_bcc text[], new_folded text[], replace_attachments boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
DECLARE
	h record;
	before record;
BEGIN
	h := open_hold(message, owner, with_key, with_session, NULL, 'approve');
	IF h.outcome <> 'ok' THEN
		RETURN h.outcome;
	END IF;
	SELECT m.subject, m.to_addresses, m.cc_addresses, m.bcc_addresses, m.type, a.address,
			d.body_text, d.body_html
		INTO before FROM messages m JOIN agents a ON a.email = m.agent_email
		JOIN outbound_drafts d ON d.message_id = m.id
		WHERE m.id = message FOR NO KEY UPDATE OF d;
	-- as in submit_outbound(): its author is not the agent's to use for other mail
	IF before.type = 'test' AND new_folded <> ARRAY[before.address] THEN
		RAISE EXCEPTION 'not a recipient of a test mail';
	END IF;
	UPDATE messages m SET subject = coalesce(new_subject, m.subject),
			to_addresses = coalesce(new_to, m.to_addresses),
			cc_addresses = coalesce(new_cc, m.cc_addresses),
			bcc_addresses = coalesce(new_bcc, m.bcc_addresses),
			recipient = coalesce((coalesce(new_to, m.to_addresses))[1], ''),
			edited = m.edited OR replace_attachments OR coalesce(
				new_subject <> before.subject, false) OR coalesce(
				new_text <> before.body_text, false) OR coalesce(
				new_html <> before.body_html, false) OR coalesce(
				new_to <> before.to_addresses OR new_cc <> before.cc_addresses
				OR new_bcc <> before.bcc_addresses, false)
		WHERE m.id = message;
	UPDATE outbound_drafts d SET body_text = coalesce(new_text, d.body_text),
			body_html = coalesce(new_html, d.body_html)
		WHERE d.message_id = message;
	IF replace_attachments THEN
		DELETE FROM outbound_attachments f WHERE f.message_id = message;
	END IF;
	IF new_folded IS NOT NULL THEN
		DELETE FROM outbound_recipients r WHERE r.message_id = message;
		PERFORM address_outbound(message, new_folded);
	END IF;
	RETURN h.outcome;
END
$$;
REVOKE ALL ON FUNCTION edit_hold FROM PUBLIC;

-- Why it cannot leave now, whoever wants it to: the last look before it does. '': it can.
-- (Of several recipients those on the suppression list are left out when it is sent.)
CREATE FUNCTION hold_obstacle(message text) RETURNS text
LANGUAGE sql STABLE SET search_path = e2a, pg_temp AS $$
	SELECT CASE
		WHEN NOT EXISTS (SELECT FROM mail_recipients r WHERE r.email = m.agent_email)
			THEN 'unverified'
		WHEN NOT EXISTS (SELECT FROM outbound_recipients r WHERE r.message_id = m.id
				AND NOT EXISTS (SELECT FROM suppressions s
					WHERE s.user_id = m.user_id AND s.address = r.folded))
			THEN 'suppressed'
		ELSE '' END
	FROM messages m WHERE m.id = message
$$;
REVOKE ALL ON FUNCTION hold_obstacle FROM PUBLIC;

-- Returns the outcome of open_hold(), or 'unverified': nobody has proved the agent's domain;
-- 'suppressed': all recipients are on the suppression list.
CREATE FUNCTION approve_hold(message text, owner text, with_key text, with_session bytea,
	with_token bytea, by_reply boolean, lifetime_ms bigint, count_usage boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
DECLARE
	h record;
	obstacle text;
BEGIN
	h := open_hold(message, owner, with_key, with_session, with_token,
		CASE WHEN by_reply THEN 'reply' ELSE 'approve' END);
	IF h.outcome <> 'ok' THEN
		RETURN h.outcome;
	END IF;
	obstacle := hold_obstacle(message);
	IF obstacle <> '' THEN
		RETURN obstacle;
	END IF;
	PERFORM release_hold(message, 'sent', h.channel, h.who, lifetime_ms, count_usage);
	UPDATE approval_tokens k SET used_at = clock_timestamp() WHERE k.hash = with_token;
	RETURN h.outcome;
END
$$;
REVOKE ALL ON FUNCTION approve_hold FROM PUBLIC;

CREATE FUNCTION reject_hold(message text, owner text, with_key text, with_session bytea,
	with_token bytea, by_reply boolean, why text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
DECLARE
	h record;
BEGIN
	h := open_hold(message, owner, with_key, with_session, with_token,
		CASE WHEN by_reply THEN 'reply' ELSE 'reject' END);
	IF h.outcome = 'ok' THEN
		PERFORM drop_hold(message, 'rejected', h.channel, h.who, why);
		UPDATE approval_tokens k SET used_at = clock_timestamp() WHERE k.hash = with_token;
	END IF;
	RETURN h.outcome;
END
$$;
REVOKE ALL ON FUNCTION reject_hold FROM PUBLIC;

-- Ends at most `most` holds whose time is over, each by itself: one that cannot be ended
-- now stays as it is for the next round, and `why` says what happened. What waits because
-- a reply budget was spent is never sent by a timer.
CREATE FUNCTION expire_holds(most bigint, lifetime_ms bigint, count_usage boolean)
RETURNS TABLE (message text, new_status text, why text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
DECLARE
	h record;
BEGIN
	FOR h IN SELECT m.id, m.agent_email, m.hold_reason FROM messages m
			WHERE m.status = 'pending_approval' AND m.approval_expires_at <= now()
			ORDER BY m.approval_expires_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED LOOP
		message := h.id;
		-- as it is now that the row is locked
		SELECT CASE WHEN a.hitl_expiration_action <> 'approve' OR h.hold_reason <> 'hitl'
				THEN 'ttl_expired'
			ELSE (SELECT o.text FROM (VALUES ('', ''),
				('unverified', 'auto-approve failed: agent domain not verified'),
				('suppressed', 'auto-approve send failed: '
					'every recipient is on the suppression list'))
				AS o (word, text) WHERE o.word = hold_obstacle(h.id)) END
			INTO why FROM agents a WHERE a.email = h.agent_email;
		new_status := CASE why WHEN '' THEN 'expired_approved' ELSE 'expired_rejected' END;
		BEGIN
			IF why = '' THEN
				PERFORM release_hold(h.id, new_status, 'expiry', '', lifetime_ms,
					count_usage);
			ELSE
				PERFORM drop_hold(h.id, new_status, 'expiry', '', why);
			END IF;
		EXCEPTION WHEN OTHERS THEN
			new_status := '';
			why := SQLERRM;
		END;
		RETURN NEXT;
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION expire_holds FROM PUBLIC;

-- As before, but a hold asks its reviewers.
CREATE OR REPLACE FUNCTION submit_outbound(new_id text, owner text, agent text, kind text,
	author text, own_message_id text, subject text, body_text text, body_html text,
	to_list text[], cc_list text[], bcc_list text[], folded text[],
	conversation text, answers text, reference_ids text[], mark text, attached_bytes bigint,
	thread text, reply_budget bigint, reply_budget_ms bigint,
	retention_ms bigint, lifetime_ms bigint, count_usage boolean)
RETURNS TABLE (outcome text, reason text, expires timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
DECLARE
	a agents;
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
	PERFORM address_outbound(new_id, folded);
	IF reason = '' THEN
		PERFORM queue_outbound(new_id, attached_bytes, lifetime_ms, count_usage);
	ELSE
		-- Behind what the user has waiting, so that a flood of one is no delay of others.
		INSERT INTO mail_jobs (id, kind, user_id, message_id, recipient, sealed, expires_at,
				due_at)
			SELECT 'mail_' || substr(new_id, 5) || '_' || row_number() OVER (), 'hold', owner,
				new_id, r.address, '', expires,
				clock_timestamp() + least(waiting.n * interval '200 ms',
					(expires - clock_timestamp()) / 4)
			FROM hold_reviewers(agent) r, (SELECT count(*) AS n FROM (
				SELECT FROM mail_jobs j WHERE j.user_id = owner AND j.kind = 'hold'
				AND j.state = 'pending' LIMIT 1000) j) waiting;
	END IF;
	INSERT INTO message_events (message_id, user_id, stage, outcome, reason)
		VALUES (new_id, owner, 'outbound', CASE reason WHEN '' THEN 'accepted' ELSE 'held' END,
			reason);
	RETURN NEXT;
END
$$;

-- Mail that waits already: nobody was asked about it. At most a hundred mails of an agent,
-- those that wait for the shortest time yet first; the account sees all of them.
INSERT INTO mail_jobs (id, kind, user_id, message_id, recipient, sealed, expires_at)
	SELECT 'mail_' || substr(m.id, 5) || '_' || row_number() OVER (PARTITION BY m.id), 'hold',
		m.user_id, m.id, r.address, '', m.approval_expires_at
	FROM (SELECT g.*, row_number() OVER (PARTITION BY g.agent_email
			ORDER BY g.approval_expires_at, g.id) AS place
		FROM messages g WHERE g.status = 'pending_approval'
		AND g.approval_expires_at > clock_timestamp()) m
	CROSS JOIN hold_reviewers(m.agent_email) r WHERE m.place <= 100;

-- Held mail that goes with its message is not lost in silence either.
CREATE OR REPLACE FUNCTION note_dropped_outbound() RETURNS trigger
LANGUAGE plpgsql SET search_path = e2a, pg_temp AS $$
BEGIN
	INSERT INTO message_events (message_id, user_id, stage, outcome, reason, detail)
		SELECT j.message_id, j.user_id, 'outbound',
			CASE j.state WHEN 'pending' THEN 'failed' ELSE 'unknown' END, 'message_deleted',
			jsonb_build_object('part', j.part)
		FROM outbound_jobs j WHERE j.message_id = OLD.id AND j.state <> 'failed';
	IF OLD.status = 'pending_approval' THEN
		INSERT INTO message_events (message_id, user_id, stage, outcome, reason)
			VALUES (OLD.id, OLD.user_id, 'hold', 'dropped', 'message_deleted');
	END IF;
	RETURN OLD;
END
$$;

-- The ledger outlives mail and account. Who decided about a mail stands in it as long as the
-- mail is there.
CREATE FUNCTION forget_decider() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
BEGIN
	UPDATE message_events e SET detail = e.detail - 'by'
		WHERE e.message_id = OLD.id AND e.stage = 'hold' AND e.detail ? 'by';
	RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION forget_decider FROM PUBLIC;
CREATE TRIGGER messages_forget_decider AFTER DELETE ON messages
	FOR EACH ROW WHEN (OLD.reviewed_by <> '') EXECUTE FUNCTION forget_decider();

-- Postfix's question about recipients: answers of reviewers come to review-<token>@ any
-- domain of ours. Of the token Postfix's role sees the hash.
CREATE VIEW mail_review_tokens AS
	SELECT hash FROM approval_tokens WHERE action = 'reply';
CREATE OR REPLACE FUNCTION find_recipient(full_address text, base_address text)
RETURNS SETOF text LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY SELECT r.address FROM e2a.mail_recipients r
		WHERE r.address IN (full_address, base_address) LIMIT 1;
	IF NOT FOUND THEN
		RETURN QUERY SELECT b.address FROM e2a.mail_bounce_addresses b
			WHERE b.address = full_address;
	END IF;
	IF NOT FOUND AND full_address ~ '^review-[0-9a-f]{32}@' THEN
		RETURN QUERY SELECT full_address WHERE EXISTS (SELECT FROM e2a.mail_review_tokens t
			WHERE t.hash = sha256(convert_to(substring(full_address FROM 8 FOR 32), 'UTF8')));
	END IF;
END
$$;
