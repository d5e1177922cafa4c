-- Circuit breakers: steps that wait for a backend that does not answer, with their attempt not counted.
ALTER TABLE step ADD COLUMN pass smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN step.pass IS 'how often an attempt was put off because a backend did not answer; with `attempt` it tells one push of the task from the next';

ALTER TABLE retry ADD COLUMN backend text, ADD COLUMN reason text, ADD COLUMN queue text;
COMMENT ON COLUMN retry.due_at IS 'not before this time; with a backend also not while its circuit is open, but for one probe after the other, the oldest first';
COMMENT ON COLUMN retry.backend IS 'whose fault it was that the attempt could not be made, so that it is not counted; NULL: an ordinary retry';
COMMENT ON COLUMN retry.reason IS 'what the worker said of the backend';
COMMENT ON COLUMN retry.queue IS 'of the step, when there is a backend: which lane waits for it';

DROP INDEX retry_due;
CREATE INDEX retry_due ON retry (due_at) WHERE backend IS NULL;
CREATE INDEX retry_backend ON retry (backend, due_at) WHERE backend IS NOT NULL;
