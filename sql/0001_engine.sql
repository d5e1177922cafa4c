-- The engine: pipelines, jobs, their steps, and what became of them.
-- Only the dispatcher's ledger changes the state of a job or a step.

CREATE SCHEMA IF NOT EXISTS pixelfleet;
SET search_path = pixelfleet;

CREATE TYPE job_state AS ENUM ('running', 'succeeded', 'partial', 'failed', 'cancelled');
CREATE TYPE step_state AS ENUM ('blocked', 'queued', 'retrying', 'succeeded', 'failed', 'skipped', 'cancelled');
CREATE TYPE skip_reason AS ENUM ('need_failed', 'fail_fast', 'deadline', 'cancelled');

CREATE TABLE definition (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	digest bytea NOT NULL UNIQUE,
	name text NOT NULL,
	neach int NOT NULL,
	nall int NOT NULL,
	body jsonb NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE definition IS 'Snapshots of pipeline definitions in normal form, shared by the jobs that run them';
COMMENT ON COLUMN definition.neach IS 'steps that have one instance for each picture';
COMMENT ON COLUMN definition.nall IS 'steps that have one instance for all pictures';

CREATE TABLE definition_step (
	definition bigint NOT NULL REFERENCES definition ON DELETE CASCADE,
	per_item boolean NOT NULL,
	idx int NOT NULL,
	id text NOT NULL,
	tool text NOT NULL,
	queue text NOT NULL,
	PRIMARY KEY (definition, per_item, idx)
);
COMMENT ON TABLE definition_step IS 'Names the ordinals: step k of picture i is ordinal i * neach + k; the steps over all pictures follow';

CREATE TABLE pipeline (
	name text PRIMARY KEY,
	id uuid NOT NULL UNIQUE,
	definition bigint NOT NULL REFERENCES definition,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pipeline IS 'Pipelines that submissions may name';

CREATE TABLE job (
	id uuid NOT NULL,
	definition bigint NOT NULL,
	state job_state NOT NULL DEFAULT 'running',
	high boolean NOT NULL DEFAULT false,
	stopped_by int,
	stop_reason skip_reason,
	items int NOT NULL,
	total int NOT NULL,
	made int NOT NULL DEFAULT 0,
	succeeded int NOT NULL DEFAULT 0,
	failed int NOT NULL DEFAULT 0,
	skipped int NOT NULL DEFAULT 0,
	cancelled int NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT now(),
	ended_at timestamptz,
	deadline_at timestamptz,
	client_id text,
	images jsonb,
	params jsonb,
	labels jsonb,
	PRIMARY KEY (id)
) PARTITION BY RANGE (id);
COMMENT ON TABLE job IS 'One accepted submission; partitioned by the time in its id';
COMMENT ON COLUMN job.made IS 'step instances that have a row; the first `total` ordinals in the end';
COMMENT ON COLUMN job.stopped_by IS 'ordinal of the failed step that stopped the job (fail_fast)';
COMMENT ON COLUMN job.stop_reason IS 'why steps that have no row yet will be skipped';
CREATE INDEX job_open ON job (id) WHERE state = 'running';
CREATE INDEX job_deadline ON job (deadline_at) WHERE state = 'running' AND deadline_at IS NOT NULL;
CREATE INDEX job_client_id ON job (client_id) WHERE client_id IS NOT NULL;

CREATE TABLE job_key (
	key text PRIMARY KEY,
	job uuid NOT NULL,
	body_digest bytea NOT NULL
);
COMMENT ON TABLE job_key IS 'Clients'' own ids: the same id and body is one job, another body is refused';

CREATE TABLE step (
	job uuid NOT NULL,
	ordinal int NOT NULL,
	state step_state NOT NULL,
	attempt smallint NOT NULL DEFAULT 1,
	deaths smallint NOT NULL DEFAULT 0,
	waiting_on int NOT NULL DEFAULT 0,
	missing int NOT NULL DEFAULT 0,
	skipped_by int NOT NULL DEFAULT -1,
	reason skip_reason,
	ms real,
	changed_at timestamptz NOT NULL DEFAULT now(),
	artifacts jsonb,
	data jsonb,
	PRIMARY KEY (job, ordinal)
) PARTITION BY RANGE (job);
COMMENT ON TABLE step IS 'One instance of a step: (step, picture). See step_view for their names';
COMMENT ON COLUMN step.attempt IS 'number of the attempt that is queued, or was the last';
COMMENT ON COLUMN step.waiting_on IS 'needs that have not ended';
COMMENT ON COLUMN step.missing IS 'needs that ended without success';
COMMENT ON COLUMN step.skipped_by IS 'ordinal of the failed step because of which this one was skipped; -1: none';

CREATE TABLE attempt (
	job uuid NOT NULL,
	ordinal int NOT NULL,
	run uuid NOT NULL,
	attempt smallint NOT NULL,
	at timestamptz NOT NULL,
	worker text NOT NULL,
	kind text NOT NULL,
	message text NOT NULL,
	ms real,
	peak_rss_kb bigint,
	signal int,
	PRIMARY KEY (job, ordinal, run)
) PARTITION BY RANGE (job);
COMMENT ON TABLE attempt IS 'Attempts that failed, and deaths of workers that held the step (kind death); a first-try success has no row here';

CREATE TABLE artifact (
	job uuid NOT NULL,
	ordinal int NOT NULL,
	name text NOT NULL,
	digest bytea NOT NULL,
	media_type text NOT NULL,
	bytes bigint NOT NULL,
	width int,
	height int,
	PRIMARY KEY (job, ordinal, name)
) PARTITION BY RANGE (job);
COMMENT ON TABLE artifact IS 'Which files of the artifact store belong to which step';
CREATE INDEX artifact_digest ON artifact (digest);

CREATE TABLE retry (
	job uuid NOT NULL,
	ordinal int NOT NULL,
	due_at timestamptz NOT NULL,
	PRIMARY KEY (job, ordinal)
);
COMMENT ON TABLE retry IS 'Steps that wait for their next attempt';
CREATE INDEX retry_due ON retry (due_at);

CREATE TABLE backlog (
	queue text NOT NULL,
	seq bigint GENERATED ALWAYS AS IDENTITY,
	job uuid NOT NULL,
	ordinal int NOT NULL,
	PRIMARY KEY (queue, seq)
);
COMMENT ON TABLE backlog IS 'Queued steps over the window that Redis holds, in order';

CREATE TABLE dead_letter (
	job uuid NOT NULL,
	ordinal int NOT NULL,
	queue text NOT NULL,
	attempt smallint NOT NULL,
	failed_at timestamptz NOT NULL DEFAULT now(),
	kind text NOT NULL,
	message text NOT NULL,
	discarded_at timestamptz,
	params jsonb,
	PRIMARY KEY (job, ordinal)
);
COMMENT ON TABLE dead_letter IS 'Steps that failed for good; the lists pixelfleet:dlq:<queue> are made from this';
COMMENT ON COLUMN dead_letter.params IS 'parameters that replace those of the definition when it is retried';
CREATE INDEX dead_letter_queue ON dead_letter (queue, failed_at) WHERE discarded_at IS NULL;

CREATE TABLE refused (
	id uuid PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now(),
	submission bytea NOT NULL,
	message text NOT NULL,
	problems jsonb NOT NULL
);
COMMENT ON TABLE refused IS 'Submissions that could not be accepted; the list pixelfleet:dlq:jobs is made from this';

CREATE TABLE tool (
	name text PRIMARY KEY,
	description jsonb NOT NULL
);
COMMENT ON TABLE tool IS 'Registry: the tools that steps may use, as the dispatcher that started last knows them';

CREATE TABLE fleet (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	epoch text NOT NULL DEFAULT '',
	redis_run_id text NOT NULL DEFAULT '',
	system_identifier text NOT NULL DEFAULT '',
	timeline int NOT NULL DEFAULT 0
);
COMMENT ON TABLE fleet IS 'Which Redis and which PostgreSQL the queues were last made from';
INSERT INTO fleet DEFAULT VALUES;

ALTER TABLE dead_letter SET (fillfactor = 90);

-- Partitions are a week wide. make_partitions(t) covers the week of t and the one after it.
CREATE FUNCTION id_at(t timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
	SELECT (lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;
COMMENT ON FUNCTION id_at IS 'The least UUIDv7 of that millisecond';

CREATE FUNCTION make_partitions(t timestamptz) RETURNS void LANGUAGE plpgsql AS $$
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
				CASE WHEN parent IN ('job', 'step') THEN ' WITH (fillfactor = 60)' ELSE '' END);
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION make_partitions IS 'Makes the partitions of the week of t and of the next one';
SELECT make_partitions(now());

CREATE FUNCTION drop_old_weeks(before timestamptz) RETURNS TABLE (week text, dropped boolean) LANGUAGE plpgsql AS $$
DECLARE
	part record;
	ends timestamptz;
	kept bigint;
BEGIN
	FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'pixelfleet.job'::regclass ORDER BY c.relname
	LOOP
		week := right(part.relname, 8);
		ends := to_timestamp(week, 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' + interval '7 days';
		CONTINUE WHEN ends > before;
		EXECUTE format('SELECT count(*) FROM pixelfleet.%I j WHERE j.state = ''running'' OR EXISTS (SELECT FROM pixelfleet.dead_letter l '
			'WHERE l.job = j.id AND l.discarded_at IS NULL)', part.relname) INTO kept;
		DELETE FROM pixelfleet.job_key k WHERE k.job >= pixelfleet.id_at(ends - interval '7 days') AND k.job < pixelfleet.id_at(ends)
			AND NOT EXISTS (SELECT FROM pixelfleet.job j WHERE j.id = k.job AND j.state = 'running')
			AND NOT EXISTS (SELECT FROM pixelfleet.dead_letter l WHERE l.job = k.job AND l.discarded_at IS NULL);
		DELETE FROM pixelfleet.refused f WHERE f.id < pixelfleet.id_at(ends);
		IF kept = 0 THEN
			DELETE FROM pixelfleet.dead_letter l WHERE l.job >= pixelfleet.id_at(ends - interval '7 days') AND l.job < pixelfleet.id_at(ends);
			EXECUTE format('DROP TABLE pixelfleet.%I, pixelfleet.%I, pixelfleet.%I, pixelfleet.%I',
				'job_' || week, 'step_' || week, 'attempt_' || week, 'artifact_' || week);
		ELSE
			CREATE TEMP TABLE IF NOT EXISTS going (id uuid PRIMARY KEY) ON COMMIT DROP;
			TRUNCATE going;
			EXECUTE format('INSERT INTO going SELECT j.id FROM pixelfleet.%I j WHERE j.state <> ''running'' AND NOT EXISTS '
				'(SELECT FROM pixelfleet.dead_letter l WHERE l.job = j.id AND l.discarded_at IS NULL)', part.relname);
			DELETE FROM pixelfleet.dead_letter x USING going g WHERE x.job = g.id;
			DELETE FROM pixelfleet.step x USING going g WHERE x.job = g.id;
			DELETE FROM pixelfleet.attempt x USING going g WHERE x.job = g.id;
			DELETE FROM pixelfleet.artifact x USING going g WHERE x.job = g.id;
			DELETE FROM pixelfleet.job x USING going g WHERE x.id = g.id;
		END IF;
		dropped := kept = 0;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION drop_old_weeks IS 'Retention: drops the weeks that ended before, and where jobs must stay, deletes the others';

CREATE VIEW step_view AS
SELECT s.job, s.ordinal, n.id AS step,
	CASE WHEN n.per_item THEN s.ordinal / d.neach ELSE 0 END AS item,
	CASE WHEN n.per_item THEN j.images ->> (s.ordinal / d.neach) END AS image,
	n.tool, n.queue, s.state, s.attempt, s.deaths, s.waiting_on, s.missing, s.skipped_by, s.reason,
	s.ms, s.changed_at, s.artifacts, s.data
FROM step s
JOIN job j ON j.id = s.job
JOIN definition d ON d.id = j.definition
JOIN definition_step n ON n.definition = d.id
	AND n.per_item = (s.ordinal < j.items * d.neach)
	AND n.idx = CASE WHEN s.ordinal < j.items * d.neach THEN s.ordinal % d.neach ELSE s.ordinal - j.items * d.neach END;
COMMENT ON VIEW step_view IS 'Steps with their names: what to read by hand';
