-- People and the day: rosters, escalation chains, handovers, signed steps, registers.
--
-- Plans, chains and registers of handovers are JSON, read back whole and never searched by SQL.

-- Kinds of tickets and reasons of pages are closed lists of the code, which grow; a list kept here a second time would
-- need its column anew each time.
ALTER TABLE ticket ADD COLUMN work TEXT NOT NULL DEFAULT 'fault';
UPDATE ticket SET work = kind;
ALTER TABLE ticket DROP COLUMN kind;
ALTER TABLE ticket RENAME COLUMN work TO kind;
ALTER TABLE page ADD COLUMN why TEXT NOT NULL DEFAULT 'opened';
UPDATE page SET why = reason;
ALTER TABLE page DROP COLUMN reason;
ALTER TABLE page RENAME COLUMN why TO reason;
ALTER TABLE api_token ADD COLUMN may TEXT NOT NULL DEFAULT 'supervisor';
UPDATE api_token SET may = role;
ALTER TABLE api_token DROP COLUMN role;
ALTER TABLE api_token RENAME COLUMN may TO role;

-- A narrower or wider role beside the first four: 'team_lead', 'auditor', 'kiosk'. The column `role` then holds the one of
-- the four that comes nearest.
ALTER TABLE person ADD COLUMN office TEXT CHECK (office IN ('team_lead', 'auditor', 'kiosk'));

-- What a person signs a handover with: Argon2id, PHC string.
CREATE TABLE person_pin (
    person       TEXT PRIMARY KEY REFERENCES person (id),
    pin_hash     TEXT NOT NULL,
    set_at       BIGINT NOT NULL,
    failed_count BIGINT NOT NULL,
    locked_until BIGINT
);

CREATE TABLE roster (
    name       TEXT PRIMARY KEY,
    plan       TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL
);

-- Overrides and swaps.
CREATE TABLE exchange (
    id          BIGINT PRIMARY KEY,
    roster      TEXT NOT NULL REFERENCES roster (name),
    moves       TEXT NOT NULL,
    -- The last end of its moves: what is over is not read.
    ends_at     BIGINT NOT NULL,
    reason      TEXT NOT NULL,
    asked_by    TEXT NOT NULL,
    asked_at    BIGINT NOT NULL,
    needs       TEXT,
    consent     TEXT NOT NULL,
    answered_at BIGINT
);
CREATE INDEX exchange_ends ON exchange (ends_at);

CREATE TABLE escalation_chain (
    name       TEXT PRIMARY KEY,
    chain      TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL
);

-- The chain of each ticket as it was when the ticket opened.
CREATE TABLE ticket_chain (
    ticket   TEXT PRIMARY KEY REFERENCES ticket (id),
    chain    TEXT NOT NULL,
    acted_at BIGINT NOT NULL,
    nudges   BIGINT NOT NULL
);

CREATE TABLE handover (
    id         BIGINT PRIMARY KEY,
    roster     TEXT NOT NULL REFERENCES roster (name),
    at         BIGINT NOT NULL,
    -- Everything else about it, as JSON.
    body       TEXT NOT NULL,
    -- 1 once both have signed.
    closed     INTEGER NOT NULL CHECK (closed IN (0, 1)),
    -- Grows with each change; a change that saw an older one is refused.
    revision   BIGINT NOT NULL,
    UNIQUE (roster, at)
);
CREATE INDEX handover_open ON handover (id) WHERE closed = 0;

-- Who reported a ticket, where, over which channel.
CREATE TABLE ticket_intake (
    ticket  TEXT PRIMARY KEY REFERENCES ticket (id),
    caller  TEXT NOT NULL,
    unit    TEXT NOT NULL,
    phone   TEXT NOT NULL,
    channel TEXT NOT NULL,
    symptom TEXT NOT NULL
);

-- Steps of defects and complaints. Never changed, never erased.
CREATE TABLE ticket_step (
    ticket    TEXT NOT NULL REFERENCES ticket (id),
    step      TEXT NOT NULL,
    signed_by TEXT NOT NULL,
    at        BIGINT NOT NULL,
    words     TEXT NOT NULL,
    PRIMARY KEY (ticket, step)
);

-- Lines of a timeline that the customer may read.
CREATE TABLE ticket_published (
    ticket TEXT NOT NULL REFERENCES ticket (id),
    seq    BIGINT NOT NULL,
    by_whom TEXT NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (ticket, seq)
);

-- Tickets that belong together: 'related', 'split' (the second came of the first).
CREATE TABLE ticket_link (
    ticket   TEXT NOT NULL REFERENCES ticket (id),
    other    TEXT NOT NULL REFERENCES ticket (id),
    relation TEXT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (ticket, other)
);
CREATE INDEX ticket_link_other ON ticket_link (other);

-- What the customer thought of it: 1 to 5.
CREATE TABLE ticket_rating (
    ticket  TEXT PRIMARY KEY REFERENCES ticket (id),
    stars   BIGINT NOT NULL CHECK (stars BETWEEN 1 AND 5),
    words   TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    at      BIGINT NOT NULL
);

-- What a register knows of a row beyond the columns that other tables need: values by column, as JSON. Rows of customers,
-- sites, contracts and assets have the id of theirs; spare parts and articles have one of their own.
CREATE TABLE register_row (
    book       TEXT NOT NULL,
    id         TEXT NOT NULL,
    cells      TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (book, id)
);

-- The history of the registers. Never changed, never erased.
CREATE TABLE register_change (
    book      TEXT NOT NULL,
    id        TEXT NOT NULL,
    seq       BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    by_whom   TEXT NOT NULL,
    column_key TEXT NOT NULL,
    before    TEXT NOT NULL,
    after     TEXT NOT NULL,
    PRIMARY KEY (book, id, seq)
);

CREATE TABLE spare_use (
    id          BIGINT PRIMARY KEY,
    spare       TEXT NOT NULL,
    name        TEXT NOT NULL,
    count       BIGINT NOT NULL,
    ticket      BIGINT NOT NULL,
    asked_by    TEXT NOT NULL,
    asked_at    BIGINT NOT NULL,
    answered_by TEXT,
    allowed     INTEGER CHECK (allowed IN (0, 1))
);

INSERT INTO counter (name, value) VALUES ('exchange', 0);
INSERT INTO counter (name, value) VALUES ('handover', 0);
INSERT INTO counter (name, value) VALUES ('spare_use', 0);
INSERT INTO counter (name, value) VALUES ('register_change', 0);
