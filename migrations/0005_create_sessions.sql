-- SPDX-License-Identifier: Apache-2.0
-- Signing in. What a browser or a mail carries is kept as its SHA-256 only.

CREATE TABLE sessions (
	hash bytea PRIMARY KEY,
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_user_idx ON sessions (user_id);
CREATE INDEX sessions_expires_idx ON sessions (expires_at);

-- A link that was mailed: good once, until it expires, in the browser that
-- asked for it. The CLI's address and state come along when it is its login.
CREATE TABLE sign_in_links (
	hash bytea PRIMARY KEY,
	browser_hash bytea NOT NULL,
	email text NOT NULL,
	cli_callback text NOT NULL DEFAULT '',
	cli_state text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	expires_at timestamptz NOT NULL,
	used_at timestamptz
);
CREATE INDEX sign_in_links_expires_idx ON sign_in_links (expires_at);

-- Who an OpenID provider says a user is.
CREATE TABLE identities (
	issuer text NOT NULL,
	subject text NOT NULL,
	user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (issuer, subject)
);
-- One identity of an account at an issuer: an address that the issuer gives to
-- somebody else opens nothing.
CREATE UNIQUE INDEX identities_user_key ON identities (user_id, issuer);
