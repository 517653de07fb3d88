-- SPDX-License-Identifier: Apache-2.0
-- A session may hold a WebSocket open, as a key may: who does learns at once that it has ended.
-- (One that is over when it is deleted opens nothing any more; the janitor tells nobody.)
CREATE TRIGGER sessions_tell_change AFTER UPDATE ON sessions FOR EACH ROW
	WHEN ((OLD.user_id, OLD.expires_at) IS DISTINCT FROM (NEW.user_id, NEW.expires_at))
	EXECUTE FUNCTION tell_access();
CREATE TRIGGER sessions_tell_deletion AFTER DELETE ON sessions FOR EACH ROW
	WHEN (OLD.expires_at > now())
	EXECUTE FUNCTION tell_access();
