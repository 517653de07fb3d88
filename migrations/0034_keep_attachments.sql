-- SPDX-License-Identifier: Apache-2.0
-- Of a mail that edit_hold() has changed in this transaction, and that nobody has approved yet,
-- these attachments stay and the others go. New ones may follow by attach_outbound().
CREATE FUNCTION keep_attachments(message text, keep integer[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = e2a, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM outbound_drafts d JOIN messages m ON m.id = d.message_id
			WHERE d.message_id = message AND d.xmin = pg_current_xact_id()::xid
			AND m.approved_hash IS NULL) THEN
		RAISE EXCEPTION 'not a message of this transaction';
	END IF;
	DELETE FROM outbound_attachments f WHERE f.message_id = message AND f.n <> ALL (keep);
	UPDATE messages m SET edited = true WHERE m.id = message;
END
$$;
REVOKE ALL ON FUNCTION keep_attachments FROM PUBLIC;
