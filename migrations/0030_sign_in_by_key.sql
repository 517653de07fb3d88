-- SPDX-License-Identifier: Apache-2.0
-- A session that was opened with an API key is worth no more than that key: it ends when the key
-- expires or is revoked. A link that an operator made may be used in any browser.

ALTER TABLE sessions ADD COLUMN key_id text REFERENCES api_keys ON DELETE CASCADE;
CREATE INDEX sessions_key_idx ON sessions (key_id) WHERE key_id IS NOT NULL;

ALTER TABLE sign_in_links ALTER COLUMN browser_hash DROP NOT NULL;

CREATE FUNCTION end_sessions_of_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = e2a, pg_temp AS $$
BEGIN
	IF NEW.revoked_at IS NOT NULL THEN
		DELETE FROM sessions s WHERE s.key_id = NEW.id;
	ELSE
		UPDATE sessions s SET expires_at = LEAST(s.expires_at, NEW.expires_at)
		WHERE s.key_id = NEW.id;
	END IF;
	RETURN NULL;
END
$$;

CREATE TRIGGER api_keys_end_sessions AFTER UPDATE ON api_keys FOR EACH ROW
	WHEN ((OLD.revoked_at, OLD.expires_at) IS DISTINCT FROM (NEW.revoked_at, NEW.expires_at))
	EXECUTE FUNCTION end_sessions_of_key();
