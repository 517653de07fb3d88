-- SPDX-License-Identifier: Apache-2.0
-- Who holds a connection open learns at once that a credential or an agent has changed:
-- the payload is the user whose it is, once per transaction. (The commit of such a
-- transaction takes a lock of the whole cluster; these are rare.)
CREATE FUNCTION tell_access() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('e2a_access', OLD.user_id);
	RETURN NULL;
END
$$;

CREATE TRIGGER api_keys_tell_change AFTER UPDATE ON api_keys FOR EACH ROW
	WHEN ((OLD.revoked_at, OLD.expires_at, OLD.scope, OLD.agent_email)
		IS DISTINCT FROM (NEW.revoked_at, NEW.expires_at, NEW.scope, NEW.agent_email))
	EXECUTE FUNCTION tell_access();
CREATE TRIGGER api_keys_tell_deletion AFTER DELETE ON api_keys FOR EACH ROW
	EXECUTE FUNCTION tell_access();
CREATE TRIGGER agents_tell_change AFTER UPDATE ON agents FOR EACH ROW
	WHEN ((OLD.user_id, OLD.agent_mode, OLD.email, OLD.address)
		IS DISTINCT FROM (NEW.user_id, NEW.agent_mode, NEW.email, NEW.address))
	EXECUTE FUNCTION tell_access();
CREATE TRIGGER agents_tell_deletion AFTER DELETE ON agents FOR EACH ROW
	EXECUTE FUNCTION tell_access();
