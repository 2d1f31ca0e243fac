-- Discrete happenings on hosts. One row for each event of each life of a host's spool: what is sent twice is kept once.
CREATE TABLE event (
    host        TEXT NOT NULL REFERENCES host (id),
    spool       TEXT NOT NULL,
    seq         BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    name        TEXT NOT NULL,
    severity    TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'minor', 'major', 'critical')),
    attributes  TEXT NOT NULL,
    body        TEXT NOT NULL,
    PRIMARY KEY (host, spool, seq)
);
CREATE INDEX event_host_at ON event (host, at);
