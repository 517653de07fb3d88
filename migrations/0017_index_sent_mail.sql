-- SPDX-License-Identifier: Apache-2.0
-- What left of an agent's mail, in order: however much of it was held or refused, a
-- page costs the same.
CREATE INDEX messages_sent_idx ON messages (agent_email, created_at, id)
	WHERE direction = 'outbound' AND status IN ('sent', 'expired_approved');
