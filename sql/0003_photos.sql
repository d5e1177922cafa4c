-- What the photo and text queues give: embeddings, faces and texts of photos, embeddings of queries.
-- Embeddings are real[]; use_pgvector() makes them `vector` where that extension is there. The functions stay the same.
CREATE TABLE photo (
	id bigint PRIMARY KEY,
	processing_status text NOT NULL DEFAULT 'done',
	ml_result jsonb NOT NULL DEFAULT '{}',
	ml_status jsonb NOT NULL DEFAULT '{}',
	thumbnail_url text,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE photo IS 'What was reported of a photo of the gallery; the id is the gallery''s';
COMMENT ON COLUMN photo.ml_result IS 'members of all reports together, the newest of a name wins: ocr_text, ocr, source, ...';
COMMENT ON COLUMN photo.ml_status IS 'which tasks were reported: {"clip":"done","caption","face","ocr","thumbnail"}';

CREATE TABLE photo_embedding (
	photo bigint NOT NULL REFERENCES photo ON DELETE CASCADE,
	model text NOT NULL,
	modality text NOT NULL,
	embedding real[] NOT NULL,
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (photo, model, modality)
);
COMMENT ON TABLE photo_embedding IS 'A vector of a photo: one for each model (its label) and modality (image, caption)';

CREATE TABLE photo_face (
	photo bigint NOT NULL REFERENCES photo ON DELETE CASCADE,
	model text NOT NULL,
	idx int NOT NULL,
	embedding real[] NOT NULL,
	bbox jsonb,
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (photo, model, idx)
);
COMMENT ON TABLE photo_face IS 'Faces of a photo, in the order in which they were reported';

CREATE TABLE text_query (
	id bigint PRIMARY KEY,
	model text NOT NULL,
	embedding real[] NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE text_query IS 'Embeddings of search texts; the id is the gallery''s request_id';

CREATE FUNCTION as_embedding(numbers real[]) RETURNS real[] LANGUAGE sql IMMUTABLE AS 'SELECT numbers';
COMMENT ON FUNCTION as_embedding IS 'Numbers in the type that embeddings are kept in';

CREATE FUNCTION numbers_of(embedding real[]) RETURNS real[] LANGUAGE sql IMMUTABLE AS 'SELECT embedding';
COMMENT ON FUNCTION numbers_of IS 'The numbers of an embedding, whatever type it is kept in';

CREATE FUNCTION embedding_distance(a real[], b real[]) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT AS $$
	SELECT CASE WHEN cardinality(a) = cardinality(b) THEN
		(SELECT 1 - sum(x::float8 * y) / nullif(sqrt(sum(x::float8 * x)) * sqrt(sum(y::float8 * y)), 0) FROM unnest(a, b) AS t(x, y)) END
$$;
COMMENT ON FUNCTION embedding_distance IS 'Cosine distance, from 0 (the same direction) to 2; NULL for vectors of different length';

CREATE FUNCTION nearest_photos(query real[], of_model text, of_modality text DEFAULT 'image', most int DEFAULT 20)
RETURNS TABLE (photo bigint, distance double precision) LANGUAGE sql STABLE AS $$
	SELECT e.photo, pixelfleet.embedding_distance(e.embedding, pixelfleet.as_embedding(query)) AS distance
	FROM pixelfleet.photo_embedding e WHERE e.model = of_model AND e.modality = of_modality ORDER BY 2, 1 LIMIT most
$$;
COMMENT ON FUNCTION nearest_photos IS 'The photos nearest to a vector, by cosine distance';

CREATE FUNCTION nearest_faces(query real[], of_model text, most int DEFAULT 20)
RETURNS TABLE (photo bigint, idx int, bbox jsonb, distance double precision) LANGUAGE sql STABLE AS $$
	SELECT f.photo, f.idx, f.bbox, pixelfleet.embedding_distance(f.embedding, pixelfleet.as_embedding(query)) AS distance
	FROM pixelfleet.photo_face f WHERE f.model = of_model ORDER BY 4, 1, 2 LIMIT most
$$;
COMMENT ON FUNCTION nearest_faces IS 'The faces nearest to a vector, by cosine distance';

CREATE FUNCTION use_pgvector() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	place text;
	part text;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
		RETURN 'real[]: the extension "vector" is not installed on this server';
	END IF;
	BEGIN
		CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
	EXCEPTION WHEN insufficient_privilege THEN
		RETURN 'real[]: a superuser has to run CREATE EXTENSION vector in this database first';
	END;
	SELECT quote_ident(n.nspname) INTO place FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace WHERE x.extname = 'vector';
	IF NOT (SELECT has_schema_privilege(extnamespace, 'USAGE') FROM pg_extension WHERE extname = 'vector') THEN
		RETURN 'real[]: the extension "vector" is in the schema ' || place || ', which ' || current_user || ' may not use';
	END IF;
	IF (SELECT atttypid = 'real[]'::regtype FROM pg_attribute
		WHERE attrelid = 'pixelfleet.photo_embedding'::regclass AND attname = 'embedding')
	THEN
		FOREACH part IN ARRAY ARRAY['photo_embedding', 'photo_face', 'text_query'] LOOP
			EXECUTE format('ALTER TABLE pixelfleet.%I ALTER embedding TYPE %s.vector USING embedding::%2$s.vector', part, place);
		END LOOP;
		DROP FUNCTION pixelfleet.as_embedding(real[]), pixelfleet.numbers_of(real[]), pixelfleet.embedding_distance(real[], real[]);
		EXECUTE format('CREATE FUNCTION pixelfleet.as_embedding(numbers real[]) RETURNS %1$s.vector LANGUAGE sql IMMUTABLE AS '
			'''SELECT numbers::%1$s.vector''', place);
		EXECUTE format('CREATE FUNCTION pixelfleet.numbers_of(embedding %1$s.vector) RETURNS real[] LANGUAGE sql IMMUTABLE AS '
			'''SELECT embedding::real[]''', place);
		EXECUTE format('CREATE FUNCTION pixelfleet.embedding_distance(a %1$s.vector, b %1$s.vector) RETURNS double precision LANGUAGE sql '
			'IMMUTABLE STRICT AS ''SELECT CASE WHEN %1$s.vector_dims(a) = %1$s.vector_dims(b) THEN a OPERATOR(%1$s.<=>) b END''', place);
	END IF;
	RETURN 'vector';
END
$$;
COMMENT ON FUNCTION use_pgvector IS 'Keeps embeddings as pgvector''s type from now on; run it again after that extension was installed';
SELECT use_pgvector();
