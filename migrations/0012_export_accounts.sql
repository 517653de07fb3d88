-- SPDX-License-Identifier: Apache-2.0
-- The mail of a user over all agents, oldest first.
CREATE INDEX messages_user_idx ON messages (user_id, created_at, id);

-- A time as clients see it in JSON: RFC 3339, UTC, no zeros at the end.
CREATE FUNCTION wire_time(t timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT (to_json(t AT TIME ZONE 'UTC') #>> '{}') || 'Z'
$$;
