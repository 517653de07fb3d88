-- SPDX-License-Identifier: Apache-2.0
-- What signs webhooks may also be an Ed25519 pair (`v1a` of Standard Webhooks): a row with
-- a public key. Its `sealed` is the 32-byte seed, bound to 'ed25519:' and the row's id, so
-- that nobody can take it for a secret. In one table, because both are read for each mail.

ALTER TABLE signing_secrets ADD COLUMN public_key bytea CHECK (length(public_key) = 32);
