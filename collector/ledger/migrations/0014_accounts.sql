-- What is accounted for: downtime with everything that was said of it, moved ends of maintenance, reports with all their
-- versions. Lines are JSON, read back whole and never searched by SQL; they are never changed and never erased.

CREATE TABLE downtime (
    id       BIGINT PRIMARY KEY,
    -- The number of the ticket that it came of.
    ticket   BIGINT,
    customer TEXT NOT NULL REFERENCES customer (id),
    contract TEXT NOT NULL REFERENCES contract (id),
    asset    TEXT NOT NULL REFERENCES asset (id)
);
CREATE INDEX downtime_contract ON downtime (contract);
CREATE INDEX downtime_ticket ON downtime (ticket);

CREATE TABLE downtime_line (
    downtime BIGINT NOT NULL REFERENCES downtime (id),
    seq      BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    by_whom  TEXT NOT NULL,
    turn     TEXT NOT NULL,
    PRIMARY KEY (downtime, seq)
);

-- How the end of a contract's maintenance moved (R27).
CREATE TABLE contract_move (
    contract TEXT NOT NULL REFERENCES contract (id),
    seq      BIGINT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (contract, seq)
);

CREATE TABLE ticket_report (
    ticket   TEXT NOT NULL REFERENCES ticket (id),
    -- 'incident', 'service'.
    kind     TEXT NOT NULL,
    due_at   BIGINT NOT NULL,
    -- Where its last version stands.
    standing TEXT NOT NULL,
    -- Whether a version was ever issued or signed.
    done     INTEGER NOT NULL CHECK (done IN (0, 1)),
    PRIMARY KEY (ticket, kind)
);
CREATE INDEX ticket_report_due ON ticket_report (done, due_at);

CREATE TABLE ticket_report_line (
    ticket  TEXT NOT NULL REFERENCES ticket (id),
    kind    TEXT NOT NULL,
    seq     BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    login   TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    turn    TEXT NOT NULL,
    PRIMARY KEY (ticket, kind, seq)
);

INSERT INTO counter (name, value) VALUES ('downtime', 0);
