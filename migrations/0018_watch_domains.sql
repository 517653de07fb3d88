-- SPDX-License-Identifier: Apache-2.0
-- What was found of a key, in the words of domain_records. `published` stays as it was
-- while DNS gives no answer.
ALTER TABLE dkim_keys ADD COLUMN status text NOT NULL DEFAULT 'unknown'
	CHECK (status IN ('published', 'different', 'missing', 'unknown'));
CREATE INDEX dkim_keys_retired_idx ON dkim_keys (retired_at) WHERE state = 'retired';

-- When somebody last set out to look for the records of a domain.
ALTER TABLE domains ADD COLUMN looked_at timestamptz NOT NULL DEFAULT '-infinity';
CREATE INDEX domains_looked_idx ON domains (looked_at) WHERE verified;
