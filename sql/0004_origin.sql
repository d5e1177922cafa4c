-- Jobs that came as messages of the photo and text queues: where from, and what is owed to whoever sent them.
ALTER TABLE job ADD COLUMN origin text, ADD COLUMN message text;
COMMENT ON COLUMN job.origin IS 'the Redis list that the job came from as a message; NULL: pixelfleet:jobs or HTTP';
COMMENT ON COLUMN job.message IS 'that message, as it was taken';
COMMENT ON COLUMN dead_letter.discarded_at IS 'when a person gave it up; of a job with an origin, when it failed (see origin_letter)';

CREATE TABLE origin_letter (
	job uuid PRIMARY KEY,
	origin text NOT NULL,
	message bytea NOT NULL,
	error text NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	pushed_at timestamptz
);
COMMENT ON TABLE origin_letter IS 'Messages that failed: each goes once to the dead letters of the list that it came from, with the reason';
COMMENT ON COLUMN origin_letter.job IS 'the job, or the id that a message got which could not become one';
COMMENT ON COLUMN origin_letter.pushed_at IS 'NULL: still owed';
CREATE INDEX origin_letter_owed ON origin_letter (at) WHERE pushed_at IS NULL;

CREATE FUNCTION why_not_done(of_job uuid) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(
		(SELECT string_agg(v.step || ': ' || l.message, '; ' ORDER BY l.ordinal) FROM pixelfleet.dead_letter l
			JOIN pixelfleet.step_view v ON v.job = l.job AND v.ordinal = l.ordinal WHERE l.job = of_job AND v.state = 'failed'),
		(SELECT CASE j.state WHEN 'cancelled' THEN 'the job was cancelled' ELSE 'the job ended as ' || j.state END
			FROM pixelfleet.job j WHERE j.id = of_job), '')
$$;
COMMENT ON FUNCTION why_not_done IS 'The steps of a job that failed, each with its reason';
