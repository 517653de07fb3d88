-- SPDX-License-Identifier: Apache-2.0
-- Rate limits: exact sliding windows for any number of daemons. Of each limited
-- name the times of the last `ring` admissions are kept, in a ring: the next
-- request takes the place of the oldest one, and is admitted when that one has
-- left the window. So a request costs the same whatever the limit is. Unlogged:
-- a crash of the server forgets them.
CREATE UNLOGGED TABLE rate_counters (
	name text PRIMARY KEY,
	admitted bigint NOT NULL,
	ring integer NOT NULL,
	used_at timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

CREATE UNLOGGED TABLE rate_hits (
	name text NOT NULL REFERENCES rate_counters ON DELETE CASCADE,
	slot integer NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (name, slot)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- 0: admitted and counted. Else milliseconds until the next admission; a refused
-- request does not count. The counter's row is locked first, so the slot is
-- read as the one before left it.
CREATE FUNCTION take_slot(limited text, most integer, span interval) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	counter e2a.rate_counters;
	oldest timestamptz;
	t timestamptz;
BEGIN
	LOOP
		SELECT * INTO counter FROM e2a.rate_counters c WHERE c.name = limited FOR UPDATE;
		EXIT WHEN FOUND;
		INSERT INTO e2a.rate_counters (name, admitted, ring, used_at)
			VALUES (limited, 0, most, clock_timestamp()) ON CONFLICT DO NOTHING;
	END LOOP;
	IF counter.ring <> most THEN
		DELETE FROM e2a.rate_hits h WHERE h.name = limited;
		counter.admitted := 0;
	END IF;
	t := clock_timestamp();
	SELECT h.at INTO oldest FROM e2a.rate_hits h
		WHERE h.name = limited AND h.slot = counter.admitted % most;
	IF oldest + span > t THEN
		RETURN ceil(extract(epoch FROM oldest + span - t) * 1000);
	END IF;
	UPDATE e2a.rate_counters c SET admitted = counter.admitted + 1, ring = most, used_at = t
		WHERE c.name = limited;
	INSERT INTO e2a.rate_hits (name, slot, at) VALUES (limited, counter.admitted % most, t)
		ON CONFLICT (name, slot) DO UPDATE SET at = t;
	RETURN 0;
END
$$;
