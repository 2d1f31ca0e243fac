-- Documents of hosts: texts that travel once and are kept with their history.
--
-- A content is kept once for all hosts, compressed by zstd. BYTEA is PostgreSQL's word; SQLite keeps blobs as they are in
-- a column of any name.
CREATE TABLE document_content (
    hash   TEXT PRIMARY KEY,
    size   BIGINT NOT NULL,
    packed BYTEA NOT NULL
);

-- Ids are UUIDv7: they rise with arrival, so the newest version of a document is the one with the highest.
CREATE TABLE document (
    id          TEXT PRIMARY KEY,
    host        TEXT NOT NULL REFERENCES host (id),
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    at          BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    hash        TEXT NOT NULL REFERENCES document_content (hash),
    media       TEXT NOT NULL,
    attributes  TEXT NOT NULL,
    -- 1: the newest of its host, kind and name.
    newest      INTEGER NOT NULL CHECK (newest IN (0, 1)),
    UNIQUE (host, kind, name, at, hash)
);
CREATE INDEX document_of_name ON document (host, kind, name, id);
CREATE INDEX document_newest ON document (host, kind, name) WHERE newest = 1;
CREATE INDEX document_hash ON document (hash);
CREATE INDEX document_received ON document (received_at);

-- Diagnostic snapshots that were asked for. What came is the document of kind 'diagnosis' whose name is the id.
CREATE TABLE diagnosis (
    id       TEXT PRIMARY KEY,
    host     TEXT NOT NULL REFERENCES host (id),
    ticket   TEXT REFERENCES ticket (id),
    asked_by TEXT NOT NULL,
    asked_at BIGINT NOT NULL
);
CREATE INDEX diagnosis_host ON diagnosis (host, asked_at);
CREATE INDEX diagnosis_ticket ON diagnosis (ticket);
