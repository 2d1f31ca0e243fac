-- What a rule says of its alert beside value and words.
ALTER TABLE alert ADD COLUMN knowledge TEXT;
ALTER TABLE alert ADD COLUMN auto_close INTEGER NOT NULL DEFAULT 0 CHECK (auto_close IN (0, 1));
-- 'retrospective': found in samples that came late, over when it was found.
ALTER TABLE alert ADD COLUMN arrival TEXT NOT NULL DEFAULT 'live' CHECK (arrival IN ('live', 'late', 'retrospective'));
ALTER TABLE alert ADD COLUMN rule_version TEXT NOT NULL DEFAULT '';
-- Of silence: why, as far as is known.
ALTER TABLE alert ADD COLUMN silence TEXT CHECK (silence IN ('agent_silent', 'host_unreachable', 'collector_blind',
                                                             'never_heard'));
CREATE INDEX alert_late ON alert (arrival, raised_at, id) WHERE arrival <> 'live';

-- The texts of rules that spoke, so that what they said can be understood after they were edited.
CREATE TABLE rule_version (
    version TEXT PRIMARY KEY,
    rule    TEXT NOT NULL,
    text    TEXT NOT NULL,
    since   BIGINT NOT NULL
);

-- Every evaluation that changed where an alert stands. Never changed; dropped by age.
CREATE TABLE alert_decision (
    seq           BIGINT PRIMARY KEY,
    host          TEXT NOT NULL REFERENCES host (id),
    rule          TEXT NOT NULL,
    instance      TEXT NOT NULL,
    instance_hash TEXT NOT NULL,
    from_phase    TEXT NOT NULL CHECK (from_phase IN ('clear', 'pending', 'raised', 'clearing')),
    to_phase      TEXT NOT NULL CHECK (to_phase IN ('clear', 'pending', 'raised', 'clearing')),
    reason        TEXT NOT NULL,
    since         BIGINT NOT NULL,
    observed      BIGINT NOT NULL,
    decided       BIGINT NOT NULL,
    value         DOUBLE PRECISION,
    threshold     DOUBLE PRECISION,
    worst         DOUBLE PRECISION,
    ticks         BIGINT NOT NULL,
    saw           TEXT NOT NULL,
    rule_version  TEXT NOT NULL
);
CREATE INDEX alert_decision_of ON alert_decision (host, rule, instance_hash, decided);
CREATE INDEX alert_decision_age ON alert_decision (decided);
INSERT INTO counter (name, value) VALUES ('decision', 0);

-- The samples around an alert, as JSON: kept longer than the store of metrics keeps them.
CREATE TABLE alert_samples (
    alert    TEXT PRIMARY KEY REFERENCES alert (id),
    from_at  BIGINT NOT NULL,
    to_at    BIGINT NOT NULL,
    -- 1: it cleared before they were taken, nothing will be added.
    complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
    series   TEXT NOT NULL
);

-- 0: stored, and what rules make of it is not written yet. What came before this step was judged.
ALTER TABLE event ADD COLUMN judged INTEGER NOT NULL DEFAULT 1 CHECK (judged IN (0, 1));
CREATE INDEX event_unjudged ON event (host, spool, seq) WHERE judged = 0;
CREATE INDEX event_received ON event (received_at);
