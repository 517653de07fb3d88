-- SPDX-License-Identifier: Apache-2.0
-- Who may do what. `e2a-admin migrate` applies this after the migrations, each
-- time: the roles exist afterwards (passwords are the operator's affair), and
-- they hold exactly the rights named here. A migration that adds a table adds
-- its rights below.

DO $$
DECLARE
	wanted text;
BEGIN
	FOREACH wanted IN ARRAY ARRAY['e2a_apid', 'e2a_deliverd', 'e2a_maps'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
			EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE '
				'NOREPLICATION NOBYPASSRLS', wanted);
		END IF;
		EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), wanted);
	END LOOP;
EXCEPTION
	WHEN duplicate_object OR unique_violation THEN
		RAISE EXCEPTION 'another database of this cluster is being migrated; try again'
			USING ERRCODE = 'serialization_failure';
END
$$;

REVOKE ALL ON SCHEMA e2a FROM PUBLIC, e2a_apid, e2a_deliverd, e2a_maps;
REVOKE ALL ON ALL TABLES IN SCHEMA e2a FROM PUBLIC, e2a_apid, e2a_deliverd, e2a_maps;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA e2a FROM PUBLIC, e2a_apid, e2a_deliverd, e2a_maps;
GRANT USAGE ON SCHEMA e2a TO e2a_apid, e2a_deliverd, e2a_maps;
GRANT SELECT ON schema_migrations TO e2a_apid, e2a_deliverd;

-- e2a-apid: what clients ask for. Of a message it changes only whether it was
-- read; with a signing secret it signs, as e2a-deliverd does.
GRANT SELECT ON messages, raw_messages, message_events, webhook_jobs, webhook_queues TO e2a_apid;
GRANT SELECT, INSERT, UPDATE, DELETE ON domains TO e2a_apid;
-- Whether a human has to agree is changed by set_hitl() only.
GRANT SELECT, INSERT (email, address, domain, user_id, name, agent_mode, webhook_url),
	UPDATE (name, agent_mode, webhook_url), DELETE ON agents TO e2a_apid;
-- (FOR UPDATE asks for the right to update a column.)
GRANT SELECT, INSERT, UPDATE (created_at) ON users TO e2a_apid;
GRANT SELECT, INSERT, UPDATE (last_used_at, revoked_at) ON api_keys TO e2a_apid;
GRANT SELECT, INSERT, DELETE, UPDATE (last_signed_at) ON signing_secrets TO e2a_apid;
GRANT UPDATE (inbox_status) ON messages TO e2a_apid;
GRANT INSERT ON message_events TO e2a_apid;
GRANT DELETE ON webhook_jobs TO e2a_apid;
-- (A call that somebody asks for is made due by a function, which looks at whose it is.)
GRANT EXECUTE ON FUNCTION redeliver_webhooks, enable_webhook TO e2a_apid;
GRANT SELECT, INSERT, DELETE ON sessions TO e2a_apid;
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_links TO e2a_apid;
GRANT SELECT, INSERT ON identities TO e2a_apid;
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_counters, rate_hits TO e2a_apid;
GRANT EXECUTE ON FUNCTION take_slot, make_counter TO e2a_apid;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO e2a_apid;
GRANT SELECT, INSERT ON mail_jobs, feedback TO e2a_apid;
GRANT SELECT ON usage_events, usage_summaries TO e2a_apid;
GRANT SELECT, INSERT, UPDATE, DELETE ON retired_addresses TO e2a_apid;
-- ... and the mail of an agent that is deleted.
GRANT DELETE ON messages, raw_messages TO e2a_apid;
GRANT EXECUTE ON FUNCTION delete_account, wire_time TO e2a_apid;
-- Mail of agents is written by functions that look at the agent's own row: there is no
-- way from here to a job, nor past a hold.
GRANT SELECT ON outbound_drafts, outbound_attachments, outbound_recipients, outbound_jobs
	TO e2a_apid;
GRANT EXECUTE ON FUNCTION submit_outbound, attach_outbound, set_hitl TO e2a_apid;
-- So is what a human decides about it, by functions that look at the credential.
GRANT EXECUTE ON FUNCTION edit_hold, keep_attachments, approve_hold, reject_hold, draft_hash, hold_reviewers
	TO e2a_apid;
GRANT SELECT ON approval_tokens, reviewers TO e2a_apid;
-- ... as do those by which reviewers are named, and agree.
GRANT EXECUTE ON FUNCTION name_reviewer, remove_reviewer, accept_review, decline_review
	TO e2a_apid;
GRANT SELECT, DELETE ON suppressions TO e2a_apid;
GRANT SELECT, INSERT, UPDATE (state, link_hash, link_expires_at, confirmed_at, revoked_at)
	ON delegations TO e2a_apid;
GRANT SELECT, INSERT ON delegation_declines TO e2a_apid;
-- It makes keys and never reads one back.
GRANT SELECT (domain_id, selector, state, public_key, published, status, checked_at, created_at,
	retired_at), INSERT, UPDATE (state, published, status, checked_at, retired_at)
	ON dkim_keys TO e2a_apid;
GRANT SELECT, INSERT, UPDATE, DELETE ON domain_records TO e2a_apid;
-- Who listens, and what an account did first.
GRANT SELECT, INSERT, UPDATE, DELETE ON apid_instances, listeners TO e2a_apid;
GRANT SELECT, INSERT, UPDATE ON listened, first_steps TO e2a_apid;
GRANT EXECUTE ON FUNCTION find_first_steps TO e2a_apid;

-- e2a-deliverd: mail and its way to the agents. It sees no API key. At its start
-- it makes the row of the shared domain.
GRANT INSERT, UPDATE (looked_at) ON domains TO e2a_deliverd;
GRANT SELECT ON domains, agents, mail_domains, mail_recipients TO e2a_deliverd;
GRANT SELECT, INSERT, UPDATE, DELETE ON messages, raw_messages, webhook_jobs, webhook_queues
	TO e2a_deliverd;
GRANT EXECUTE ON FUNCTION webhook_users, claim_webhooks, recover_webhooks, deliver_webhooks,
	fail_webhooks, tell_webhook_queues, queue_webhooks, release_webhooks, give_up_webhooks,
	take_back_webhooks
	TO e2a_deliverd;
-- (FOR UPDATE asks for the right to update a column: this one nobody can.)
GRANT SELECT, INSERT, DELETE, UPDATE (id) ON message_events TO e2a_deliverd;
GRANT SELECT, UPDATE (last_signed_at) ON signing_secrets TO e2a_deliverd;
GRANT SELECT, UPDATE, DELETE ON mail_jobs TO e2a_deliverd;
GRANT SELECT, INSERT, UPDATE (counted) ON usage_events TO e2a_deliverd;
GRANT SELECT, INSERT, UPDATE ON usage_summaries TO e2a_deliverd;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbound_drafts, outbound_attachments,
	outbound_recipients, outbound_jobs, outbound_attempts TO e2a_deliverd;
GRANT SELECT, INSERT, UPDATE ON suppressions TO e2a_deliverd;
GRANT SELECT ON delegations TO e2a_deliverd;
GRANT SELECT, INSERT, UPDATE, DELETE ON dkim_keys, domain_records TO e2a_deliverd;
GRANT EXECUTE ON FUNCTION tell_webhook_owner TO e2a_deliverd;
GRANT EXECUTE ON FUNCTION recipient_rank, draft_hash, hold_reviewers, expire_holds, approve_hold,
	reject_hold TO e2a_deliverd;
GRANT SELECT, INSERT, DELETE, UPDATE (used_at) ON approval_tokens TO e2a_deliverd;
GRANT SELECT, INSERT, DELETE ON outbound_mails TO e2a_deliverd;
GRANT SELECT ON reviewers TO e2a_deliverd;
GRANT INSERT ON mail_jobs TO e2a_deliverd;
-- ... and what has served its time.
GRANT SELECT (hash, expires_at), DELETE, UPDATE (expires_at) ON sessions, sign_in_links
	TO e2a_deliverd;
GRANT SELECT (owner, key_hash, created_at), DELETE, UPDATE (created_at) ON idempotency_keys
	TO e2a_deliverd;
GRANT SELECT, DELETE, UPDATE (used_at) ON rate_counters TO e2a_deliverd;
GRANT SELECT, DELETE, UPDATE (retired_at) ON retired_addresses TO e2a_deliverd;

-- Postfix: which addresses and domains exist.
GRANT SELECT ON mail_recipients, mail_domains, mail_bounce_addresses, mail_review_tokens TO e2a_maps;
GRANT EXECUTE ON FUNCTION find_recipient TO e2a_maps;
