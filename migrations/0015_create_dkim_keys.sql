-- SPDX-License-Identifier: Apache-2.0
-- Keys by which mail of a domain is signed (RFC 6376), made with the claim. `active`
-- signs. A `next` one takes its place when it is seen in DNS; the old one is then
-- `retired`, and stays to be published until mail that it signed has arrived. `sealed`
-- is AES-256-GCM of the private key, bound to domain_id and selector.
CREATE TABLE dkim_keys (
	domain_id text NOT NULL REFERENCES domains ON DELETE CASCADE,
	selector text NOT NULL,
	state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'next', 'retired')),
	public_key text NOT NULL, -- what stands behind p=
	sealed bytea NOT NULL,
	published boolean NOT NULL DEFAULT false, -- when it was looked for last
	checked_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	retired_at timestamptz,
	PRIMARY KEY (domain_id, selector)
);
CREATE UNIQUE INDEX dkim_keys_active_key ON dkim_keys (domain_id) WHERE state = 'active';
CREATE UNIQUE INDEX dkim_keys_next_key ON dkim_keys (domain_id) WHERE state = 'next';

-- What was found in DNS for a domain, by record, when it was looked at last.
CREATE TABLE domain_records (
	domain_id text NOT NULL REFERENCES domains ON DELETE CASCADE,
	record text NOT NULL CHECK (record IN ('mx', 'txt', 'spf', 'dmarc')),
	status text NOT NULL CHECK (status IN ('published', 'different', 'missing', 'unknown')),
	checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (domain_id, record)
);
