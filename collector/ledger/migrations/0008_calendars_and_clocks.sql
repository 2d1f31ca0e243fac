-- Clocks that stand still, are raised and are entered late: what a ticket remembers of its times, the interval log, what
-- people were told of, and the versions of calendars and policies by which it was all counted.

-- Two more kinds, and after a raise several clocks of one kind. Neither engine can change a CHECK in place alike.
CREATE TABLE ticket_clock_next (
    ticket      TEXT NOT NULL REFERENCES ticket (id),
    kind        TEXT NOT NULL CHECK (kind IN ('respond', 'arrive', 'plan', 'restore', 'recover', 'resolve')),
    -- Its place among the ticket's clocks.
    place       BIGINT NOT NULL,
    started_at  BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    stopped_at  BIGINT,
    breached_at BIGINT,
    PRIMARY KEY (ticket, place)
);
INSERT INTO ticket_clock_next (ticket, kind, place, started_at, due_at, stopped_at, breached_at)
    SELECT ticket, kind, place, started_at, due_at, stopped_at, breached_at FROM ticket_clock;
DROP TABLE ticket_clock;
ALTER TABLE ticket_clock_next RENAME TO ticket_clock;

-- What a ticket's clocks are computed from, as JSON; read back whole, never searched by SQL.
CREATE TABLE ticket_reckoning (
    ticket TEXT PRIMARY KEY REFERENCES ticket (id),
    state  TEXT NOT NULL
);

-- The interval log. Never changed, never erased.
CREATE TABLE ticket_mark (
    ticket           TEXT NOT NULL REFERENCES ticket (id),
    seq              BIGINT NOT NULL,
    clock            TEXT NOT NULL CHECK (clock IN ('respond', 'arrive', 'plan', 'restore', 'recover', 'resolve')),
    -- 0, and one more with each raise.
    rung             BIGINT NOT NULL,
    level            BIGINT NOT NULL CHECK (level BETWEEN 1 AND 255),
    kind             TEXT NOT NULL CHECK (kind IN ('start', 'pause', 'resume', 'stop', 'go_on', 'correct', 'breach', 'void')),
    -- When it happened; entered_at is when it was written.
    at               BIGINT NOT NULL,
    entered_at       BIGINT NOT NULL,
    due_at           BIGINT NOT NULL,
    policy_version   TEXT NOT NULL,
    calendar_version TEXT NOT NULL,
    PRIMARY KEY (ticket, seq)
);

-- Shares of a target that people were told of: each once, whatever crashes in between.
CREATE TABLE ticket_fired (
    ticket  TEXT NOT NULL REFERENCES ticket (id),
    clock   TEXT NOT NULL CHECK (clock IN ('respond', 'arrive', 'plan', 'restore', 'recover', 'resolve')),
    rung    BIGINT NOT NULL,
    percent BIGINT NOT NULL CHECK (percent IN (50, 80, 100)),
    at      BIGINT NOT NULL,
    PRIMARY KEY (ticket, clock, rung, percent)
);

-- What was counted by, kept for as long as there are tickets: a later notice of holidays rewrites no report.
CREATE TABLE calendar_version (
    version       TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    -- The description and the notices of holidays, as JSON.
    spec          TEXT NOT NULL,
    holidays      TEXT NOT NULL,
    first_used_at BIGINT NOT NULL
);
CREATE TABLE policy_version (
    version       TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    content       TEXT NOT NULL,
    first_used_at BIGINT NOT NULL
);

-- Until when the warranty runs; NULL: as long as the contract.
ALTER TABLE contract ADD COLUMN warranty_until BIGINT;
