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

-- 0: admitted and counted. Else milliseconds until the next admission. A refused
-- request does not count and writes nothing: a full ring that is seen without a
-- lock stays full until its oldest admission leaves the window.
CREATE FUNCTION take_slot(limited text, most integer, span interval) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	counter e2a.rate_counters;
	kept timestamptz[];
	oldest timestamptz;
	wait_ms numeric;
	t timestamptz;
BEGIN
	SELECT h.at INTO oldest FROM e2a.rate_counters c
		JOIN e2a.rate_hits h ON h.name = c.name AND h.slot = c.admitted % c.ring
		WHERE c.name = limited AND c.ring = most;
	wait_ms := extract(epoch FROM oldest + span - clock_timestamp()) * 1000;
	IF wait_ms > 0 THEN
		RETURN ceil(wait_ms);
	END IF;

	-- The counter's row is locked, so the slot is read as the one before left it.
	LOOP
		SELECT * INTO counter FROM e2a.rate_counters c WHERE c.name = limited FOR UPDATE;
		EXIT WHEN FOUND;
		INSERT INTO e2a.rate_counters (name, admitted, ring, used_at)
			VALUES (limited, 0, most, clock_timestamp()) ON CONFLICT DO NOTHING;
	END LOOP;
	-- Another limit than before: the newest admissions move to the new ring.
	IF counter.ring <> most THEN
		SELECT array_agg(newest.at ORDER BY newest.at) INTO kept FROM (
			SELECT h.at FROM e2a.rate_hits h WHERE h.name = limited
			ORDER BY h.at DESC LIMIT most) newest;
		DELETE FROM e2a.rate_hits h WHERE h.name = limited;
		INSERT INTO e2a.rate_hits (name, slot, at)
			SELECT limited, k.n - 1, k.at FROM unnest(kept) WITH ORDINALITY AS k (at, n);
		counter.admitted := coalesce(cardinality(kept), 0);
		UPDATE e2a.rate_counters c SET admitted = counter.admitted, ring = most
			WHERE c.name = limited;
	END IF;

	SELECT h.at INTO oldest FROM e2a.rate_hits h
		WHERE h.name = limited AND h.slot = counter.admitted % most;
	t := clock_timestamp();
	wait_ms := extract(epoch FROM oldest + span - t) * 1000;
	IF wait_ms > 0 THEN
		RETURN ceil(wait_ms);
	END IF;
	UPDATE e2a.rate_counters c SET admitted = counter.admitted + 1, used_at = t
		WHERE c.name = limited;
	INSERT INTO e2a.rate_hits (name, slot, at) VALUES (limited, counter.admitted % most, t)
		ON CONFLICT (name, slot) DO UPDATE SET at = t;
	RETURN 0;
END
$$;
