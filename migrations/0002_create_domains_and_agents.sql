-- SPDX-License-Identifier: Apache-2.0
-- A row is one claim: several users may claim a domain, one may have proved it.
-- The shared domain has no owner.
CREATE TABLE domains (
	id text PRIMARY KEY,
	domain text NOT NULL,
	user_id text REFERENCES users ON DELETE CASCADE,
	verified boolean NOT NULL DEFAULT false,
	verification_token text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	verified_at timestamptz,
	UNIQUE NULLS NOT DISTINCT (domain, user_id)
);
CREATE UNIQUE INDEX domains_verified_key ON domains (domain) WHERE verified;
CREATE INDEX domains_user_idx ON domains (user_id, created_at DESC);

-- `email` is the address as registered and the agent's public id; `address` is
-- its folded form (lower case, A-labels), under which mail finds it.
CREATE TABLE agents (
	email text PRIMARY KEY,
	address text NOT NULL,
	domain text NOT NULL,
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	name text NOT NULL DEFAULT '',
	agent_mode text NOT NULL CHECK (agent_mode IN ('cloud', 'local')),
	webhook_url text NOT NULL DEFAULT '',
	hitl_enabled boolean NOT NULL DEFAULT false,
	hitl_ttl_seconds integer NOT NULL DEFAULT 604800
		CHECK (hitl_ttl_seconds BETWEEN 1 AND 604800),
	hitl_expiration_action text NOT NULL DEFAULT 'reject'
		CHECK (hitl_expiration_action IN ('approve', 'reject')),
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	CHECK (agent_mode <> 'cloud' OR webhook_url <> '')
);
CREATE UNIQUE INDEX agents_address_key ON agents (address);
CREATE INDEX agents_user_idx ON agents (user_id, created_at DESC);
CREATE INDEX agents_domain_idx ON agents (domain);

-- What relay_recipient_maps may ask: is there an agent of this folded address
-- on a domain that its owner has verified?
CREATE VIEW mail_recipients AS
	SELECT a.address, a.email, a.user_id
	FROM agents a
	WHERE EXISTS (
		SELECT FROM domains d
		WHERE d.domain = a.domain AND d.verified
		AND (d.user_id = a.user_id OR d.user_id IS NULL));

-- The same for Postfix, which sends its query as text each time: in a function
-- the plan is kept with the connection, and making it costs more than using it.
CREATE FUNCTION find_recipient(full_address text, base_address text) RETURNS SETOF text
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY SELECT r.address FROM e2a.mail_recipients r
		WHERE r.address IN (full_address, base_address) LIMIT 1;
END
$$;

-- The domains that Postfix accepts mail for.
CREATE VIEW mail_domains AS
	SELECT domain FROM domains WHERE verified;
