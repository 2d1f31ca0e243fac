-- Backup jobs: the plan, and how it stands.
CREATE TABLE backup_job (
    id              TEXT PRIMARY KEY,
    host            TEXT NOT NULL REFERENCES host (id),
    name            TEXT NOT NULL,
    tool            TEXT NOT NULL,
    content         TEXT NOT NULL,
    target          TEXT NOT NULL,
    schedule        TEXT NOT NULL,
    zone            TEXT NOT NULL,
    grace_ms        BIGINT NOT NULL,
    duration_max_ms BIGINT NOT NULL,
    bytes_min       BIGINT NOT NULL,
    bytes_max       BIGINT NOT NULL,
    rpo_ms          BIGINT NOT NULL,
    retention       TEXT NOT NULL,
    owner           TEXT NOT NULL,
    drill_every_ms  BIGINT NOT NULL,
    drilled_at      BIGINT,
    ping_key        TEXT NOT NULL,
    origin          TEXT NOT NULL,
    paused          INTEGER NOT NULL CHECK (paused IN (0, 1)),
    created_at      BIGINT NOT NULL,
    -- When the next run is awaited: deadlines survive a restart.
    expected_at     BIGINT,
    last_at         BIGINT,
    last_result     TEXT,
    good_at         BIGINT,
    UNIQUE (host, name)
);
CREATE INDEX backup_job_ping ON backup_job (ping_key);

-- Runs; of one that was missed, started_at is when it should have begun.
CREATE TABLE backup_run (
    id          TEXT PRIMARY KEY,
    job         TEXT NOT NULL REFERENCES backup_job (id),
    started_at  BIGINT NOT NULL,
    ended_at    BIGINT,
    received_at BIGINT NOT NULL,
    duration_ms BIGINT,
    result      TEXT,
    reported    TEXT,
    -- The place of the result in the order of badness, so that a day's worst is one MAX; 0 while it goes on.
    badness     INTEGER NOT NULL,
    exit_code   BIGINT,
    signal      BIGINT,
    bytes       BIGINT,
    bytes_added BIGINT,
    files       BIGINT,
    artefact    TEXT NOT NULL,
    judged_by   TEXT NOT NULL,
    error       TEXT NOT NULL,
    tail        TEXT NOT NULL,
    late        INTEGER NOT NULL CHECK (late IN (0, 1)),
    noted_by    TEXT NOT NULL
);
CREATE INDEX backup_run_of_job ON backup_run (job, started_at, badness);
