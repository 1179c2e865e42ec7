CREATE TABLE intellyhub_outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id   text NOT NULL DEFAULT gen_random_uuid()::text,
    type       text,
    subject    text,
    data       jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    error      text
);

CREATE FUNCTION intellyhub_outbox_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('intellyhub_outbox', '');
    RETURN NULL;
END $$;

CREATE TRIGGER intellyhub_outbox_told AFTER INSERT ON intellyhub_outbox
    FOR EACH STATEMENT EXECUTE FUNCTION intellyhub_outbox_told();
