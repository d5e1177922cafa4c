-- Steps of a large job end in the order of their rows, a page full of them in one transaction: all their new versions find
-- room on the same page when less than half of it was filled, and no index entry is written.
CREATE OR REPLACE FUNCTION make_partitions(t timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	week timestamptz;
	parent text;
	child text;
BEGIN
	PERFORM pg_advisory_xact_lock(7262726677);      -- two dispatchers that make the same ones at once
	FOR k IN 0..1 LOOP
		week := date_trunc('week', t AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + k * interval '7 days';
		FOREACH parent IN ARRAY ARRAY['job', 'step', 'attempt', 'artifact'] LOOP
			child := parent || to_char(week AT TIME ZONE 'UTC', '_YYYYMMDD');
			CONTINUE WHEN to_regclass('pixelfleet.' || child) IS NOT NULL;
			EXECUTE format('CREATE TABLE pixelfleet.%I PARTITION OF pixelfleet.%I FOR VALUES FROM (%L) TO (%L)%s',
				child, parent, pixelfleet.id_at(week), pixelfleet.id_at(week + interval '7 days'),
				CASE parent WHEN 'job' THEN ' WITH (fillfactor = 60)' WHEN 'step' THEN ' WITH (fillfactor = 45)' ELSE '' END);
		END LOOP;
	END LOOP;
END
$$;

DO $$
DECLARE
	part regclass;
BEGIN
	FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'pixelfleet.step'::regclass LOOP
		EXECUTE format('ALTER TABLE %s SET (fillfactor = 45)', part);
	END LOOP;
END
$$;
