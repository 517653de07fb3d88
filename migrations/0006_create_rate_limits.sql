-- SPDX-License-Identifier: Apache-2.0
-- Rate limits: exact sliding windows for any number of daemons. Of each limited
-- name the times of the last `ring` admissions are kept, in a ring: a request is
-- admitted when the admission that is as many before it as the limit has left the
-- window. So a request costs the same whatever the limit is. Unlogged: a crash of
-- the server forgets them.
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

-- A counter for `most`, of a ring that is large enough. A ring never shrinks, so
-- that daemons with different settings, as during a restart, do not undo each
-- other's counts.
CREATE FUNCTION make_counter(limited text, most integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	kept timestamptz[];
BEGIN
	INSERT INTO e2a.rate_counters (name, admitted, ring, used_at)
		VALUES (limited, 0, most, clock_timestamp()) ON CONFLICT DO NOTHING;
	PERFORM FROM e2a.rate_counters c WHERE c.name = limited AND c.ring < most FOR UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT coalesce(array_agg(h.at ORDER BY h.at), '{}') INTO kept FROM e2a.rate_hits h
		WHERE h.name = limited;
	DELETE FROM e2a.rate_hits h WHERE h.name = limited;
	INSERT INTO e2a.rate_hits (name, slot, at)
		SELECT limited, k.n - 1, k.at FROM unnest(kept) WITH ORDINALITY AS k (at, n);
	UPDATE e2a.rate_counters c SET admitted = cardinality(kept), ring = most
		WHERE c.name = limited;
END
$$;

-- 0: admitted and counted. Else milliseconds until the next admission; a refused
-- request does not count, writes nothing and waits for no lock. What was read
-- decides only when nobody was admitted meanwhile; else it is read again. A
-- connection plans this once, perhaps while the tables are empty, and has to find
-- the rows by their keys also when there are many.
CREATE FUNCTION take_slot(limited text, most integer, span interval) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	seen e2a.rate_counters;
	against timestamptz;
	wait_ms numeric;
	t timestamptz;
BEGIN
	LOOP
		SELECT c.name, c.admitted, c.ring, c.used_at, (SELECT h.at FROM e2a.rate_hits h
				WHERE h.name = c.name AND c.admitted >= most
				AND h.slot = (c.admitted - most) % c.ring)
			INTO seen.name, seen.admitted, seen.ring, seen.used_at, against
			FROM e2a.rate_counters c WHERE c.name = limited AND c.ring >= most;
		IF NOT FOUND THEN
			PERFORM e2a.make_counter(limited, most);
			CONTINUE;
		END IF;
		t := clock_timestamp();
		wait_ms := extract(epoch FROM against + span - t) * 1000;
		IF wait_ms > 0 THEN
			RETURN ceil(wait_ms);
		END IF;
		UPDATE e2a.rate_counters c SET admitted = seen.admitted + 1, used_at = t
			WHERE c.name = limited AND c.admitted = seen.admitted
			AND c.used_at = seen.used_at;
		EXIT WHEN FOUND;
	END LOOP;
	INSERT INTO e2a.rate_hits (name, slot, at)
		VALUES (limited, seen.admitted % seen.ring, t)
		ON CONFLICT (name, slot) DO UPDATE SET at = t;
	RETURN 0;
END
$$;
