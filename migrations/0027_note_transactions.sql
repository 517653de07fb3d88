-- SPDX-License-Identifier: Apache-2.0
-- The transaction that stored a message. Transactions end in another order than their
-- messages have in time; this tells what a reader could not have seen yet. NULL: stored before
-- it was noted.
ALTER TABLE messages ADD COLUMN stored_in xid8;
ALTER TABLE messages ALTER COLUMN stored_in SET DEFAULT pg_current_xact_id();
