-- What of a job becomes ready together is as a rule one step of many pictures: a row of the backlog is such a series of instances,
-- not one of them. Rows that are there become series of one, and so do those that a dispatcher of the version before still
-- writes. But it may not go on beside this one: of a series it pushes the first step only, and the others wait for the next scan.
ALTER TABLE backlog ADD COLUMN stride smallint NOT NULL DEFAULT 1, ADD COLUMN steps smallint NOT NULL DEFAULT 1;
COMMENT ON TABLE backlog IS 'Queued steps over the window that Redis holds, in order: each row a series of instances of one job';
COMMENT ON COLUMN backlog.ordinal IS 'of the first instance that is still here';
COMMENT ON COLUMN backlog.stride IS 'from the ordinal of one instance to that of the next';
COMMENT ON COLUMN backlog.steps IS 'how many instances; sum(steps) is how many steps wait';
