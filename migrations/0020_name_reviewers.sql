-- SPDX-License-Identifier: Apache-2.0
-- The account names reviewers, each of them agrees. Functions do it that look at the
-- credential of the one, and at the hash of the link that was mailed to the other; the
-- daemons' roles cannot write the table.

-- Whom an account asks no more, whichever of its agents, and when that one is gone.
CREATE TABLE reviewer_declines (
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	human text NOT NULL, -- in small letters, without tag
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (user_id, human)
);

-- A human with any tag is the same human.
CREATE FUNCTION without_tag(address text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = e2a, pg_temp AS $$
	SELECT lower(regexp_replace(address, '^([^+@]+)[+][^@]*@', '\1@'))
$$;
REVOKE ALL ON FUNCTION without_tag FROM PUBLIC;

-- Reviewers have changed: those of now are asked about mail that waits already, unless they
-- were, and others no more. (A notice that is under way ends by itself.) At most a hundred
-- mails, those that wait for the shortest time yet first; the account sees all of them.
CREATE FUNCTION ask_present_reviewers(agent text) RETURNS void
LANGUAGE plpgsql SET search_path = e2a, pg_temp AS $$
BEGIN
	DELETE FROM mail_jobs j USING messages m
		WHERE m.id = j.message_id AND m.agent_email = agent
		AND m.status = 'pending_approval' AND j.kind IN ('hold', 'hold_reminder')
		AND (j.lease_until IS NULL OR j.lease_until < clock_timestamp())
		AND NOT EXISTS (SELECT FROM hold_reviewers(agent) r
			WHERE lower(r.address) = lower(j.recipient));
	INSERT INTO mail_jobs (id, kind, user_id, message_id, recipient, sealed, expires_at)
		SELECT 'mail_' || substr(m.id, 5) || '_' || left(md5(lower(r.address)), 16), 'hold',
			m.user_id, m.id, r.address, '', m.approval_expires_at
		FROM messages m CROSS JOIN hold_reviewers(agent) r
		WHERE m.user_id = (SELECT a.user_id FROM agents a WHERE a.email = agent)
		AND m.agent_email = agent AND m.status = 'pending_approval'
		AND m.approval_expires_at > clock_timestamp()
		AND NOT EXISTS (SELECT FROM approval_tokens t WHERE t.message_id = m.id
			AND lower(t.reviewer) = lower(r.address))
		AND NOT EXISTS (SELECT FROM mail_jobs j WHERE j.message_id = m.id
			AND j.kind = 'hold' AND lower(j.recipient) = lower(r.address))
		ORDER BY m.approval_expires_at LIMIT 100 FOR KEY SHARE OF m; -- some may be going
	PERFORM pg_notify('e2a_jobs', '');
END
$$;
REVOKE ALL ON FUNCTION ask_present_reviewers FROM PUBLIC;

-- Reviewers of one agent change one after the other, and not while it writes a mail: whom
-- that asks is settled then.
CREATE FUNCTION lock_reviewed(agent text, owner text) RETURNS boolean
LANGUAGE plpgsql SET search_path = e2a, pg_temp AS $$
BEGIN
	PERFORM FROM agents a WHERE a.email = agent AND a.user_id = owner FOR NO KEY UPDATE;
	RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION lock_reviewed FROM PUBLIC;

-- Asks somebody, or once more. `outcome` is 'ok'; 'unauthorized': the credential is not
-- good; 'not_found': the account has no such agent; 'full': the agent has as many as may be.
-- `mailed`: the link is to go to them. It goes when it may, to those who have not agreed, and
-- did not decline; else they keep the one they have.
CREATE FUNCTION name_reviewer(owner text, agent text, with_key text, with_session bytea,
	new_id text, new_address text, new_folded text, new_hash bytea, may_mail boolean,
	lifetime_ms bigint, most bigint, OUT outcome text, OUT made boolean, OUT mailed boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
DECLARE
	r reviewers;
	declined boolean;
	until timestamptz := clock_timestamp() + lifetime_ms * interval '1 ms';
BEGIN
	made := false;
	mailed := false;
	outcome := CASE WHEN NOT is_account(owner, with_key, with_session) THEN 'unauthorized'
		WHEN NOT lock_reviewed(agent, owner) THEN 'not_found' ELSE 'ok' END;
	IF outcome <> 'ok' THEN
		RETURN;
	END IF;
	SELECT v.* INTO r FROM reviewers v WHERE v.agent_email = agent AND v.folded = new_folded;
	made := NOT FOUND;
	declined := EXISTS (SELECT FROM reviewer_declines d
		WHERE d.user_id = owner AND d.human = without_tag(new_folded));
	IF r.state = 'active' OR (r.state = 'declined' AND declined) THEN
		RETURN;
	END IF;
	IF made AND (SELECT count(*) FROM reviewers v WHERE v.agent_email = agent) >= most THEN
		outcome := 'full';
		RETURN;
	END IF;
	mailed := may_mail AND NOT declined;
	IF made THEN
		INSERT INTO reviewers (id, user_id, agent_email, address, folded, link_hash,
				link_expires_at)
			VALUES (new_id, owner, agent, new_address, new_folded, new_hash, until);
	ELSE
		UPDATE reviewers v SET state = 'pending', confirmed_at = NULL, link_expires_at = until,
				link_hash = CASE WHEN mailed THEN new_hash ELSE v.link_hash END
			WHERE v.id = r.id;
	END IF;
END
$$;
REVOKE ALL ON FUNCTION name_reviewer FROM PUBLIC;

-- 'ok', 'unauthorized' or 'not_found'. Links and tokens that they have are worthless then.
CREATE FUNCTION remove_reviewer(owner text, agent text, with_key text, with_session bytea,
	reviewer text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
BEGIN
	IF NOT is_account(owner, with_key, with_session) THEN
		RETURN 'unauthorized';
	END IF;
	PERFORM lock_reviewed(agent, owner);
	DELETE FROM reviewers r WHERE r.id = reviewer AND r.user_id = owner
		AND r.agent_email = agent;
	IF NOT FOUND THEN
		RETURN 'not_found';
	END IF;
	PERFORM ask_present_reviewers(agent);
	RETURN 'ok';
END
$$;
REVOKE ALL ON FUNCTION remove_reviewer FROM PUBLIC;

-- The row of a link, if it is of use: it ends when nobody answers in time. Who has answered
-- may think better of it as long as they are named.
CREATE FUNCTION open_review(link bytea) RETURNS SETOF reviewers
LANGUAGE plpgsql SET search_path = e2a, pg_temp AS $$
BEGIN
	PERFORM lock_reviewed(r.agent_email, r.user_id) FROM reviewers r WHERE r.link_hash = link;
	RETURN QUERY SELECT r.* FROM reviewers r WHERE r.link_hash = link
		AND (r.confirmed_at IS NOT NULL OR r.link_expires_at > clock_timestamp());
END
$$;
REVOKE ALL ON FUNCTION open_review FROM PUBLIC;

-- 'accepted', 'saved' by who had accepted before, or '': the link is of no use.
CREATE FUNCTION accept_review(link bytea, with_text boolean, with_reply boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
DECLARE
	r reviewers;
BEGIN
	-- agents could read mail to them, as if they were the human
	SELECT o.* INTO r FROM open_review(link) o WHERE NOT EXISTS (SELECT FROM mail_domains d
		WHERE d.domain = lower(substring(o.address FROM '[^@]*$')));
	IF NOT FOUND THEN
		RETURN '';
	END IF;
	UPDATE reviewers v SET state = 'active', full_text = with_text, by_reply = with_reply,
			confirmed_at = CASE r.state WHEN 'active' THEN v.confirmed_at
				ELSE clock_timestamp() END
		WHERE v.id = r.id;
	IF r.state = 'active' THEN
		RETURN 'saved';
	END IF;
	DELETE FROM reviewer_declines d
		WHERE d.user_id = r.user_id AND d.human = without_tag(r.folded);
	PERFORM ask_present_reviewers(r.agent_email);
	RETURN 'accepted';
END
$$;
REVOKE ALL ON FUNCTION accept_review FROM PUBLIC;

-- 'declined', 'left' by who had accepted before, or '': there is nothing to end.
CREATE FUNCTION decline_review(link bytea) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
DECLARE
	r reviewers;
BEGIN
	SELECT o.* INTO r FROM open_review(link) o WHERE o.state IN ('pending', 'active');
	IF NOT FOUND THEN
		RETURN '';
	END IF;
	UPDATE reviewers v SET full_text = false, by_reply = false,
			state = CASE r.state WHEN 'active' THEN 'left' ELSE 'declined' END
		WHERE v.id = r.id;
	IF r.state = 'active' THEN
		PERFORM ask_present_reviewers(r.agent_email);
		RETURN 'left';
	END IF;
	INSERT INTO reviewer_declines (user_id, human) VALUES (r.user_id, without_tag(r.folded))
		ON CONFLICT DO NOTHING;
	RETURN 'declined';
END
$$;
REVOKE ALL ON FUNCTION decline_review FROM PUBLIC;
