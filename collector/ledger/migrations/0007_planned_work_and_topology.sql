-- What keeps people from being told, or from being told one by one: silences, maintenance windows and guarded periods;
-- alerts whose telling is withheld; storms; what people were paged of late. And what assets hang on.

ALTER TABLE asset ADD COLUMN parent TEXT REFERENCES asset (id);
CREATE INDEX asset_parent ON asset (parent);

CREATE TABLE planned (
    id       TEXT PRIMARY KEY,
    kind     TEXT NOT NULL CHECK (kind IN ('silence', 'window', 'guard')),
    -- Whom it concerns and when it counts, as JSON; read back whole, never searched by SQL.
    scope    TEXT NOT NULL,
    span     TEXT NOT NULL,
    reason   TEXT NOT NULL,
    owner    TEXT REFERENCES person (id),
    -- Login, or cli.
    made_by  TEXT NOT NULL,
    made_at  BIGINT NOT NULL,
    told_at  BIGINT,
    ended_at BIGINT,
    ended_by TEXT
);
CREATE INDEX planned_open ON planned (id) WHERE ended_at IS NULL;
CREATE INDEX planned_newest ON planned (made_at, id);

-- One row for each alert whose telling was ever withheld; its last cause stays on record.
CREATE TABLE withheld (
    alert    TEXT PRIMARY KEY REFERENCES alert (id),
    -- What is known of its asset, as JSON; read back whole, never searched by SQL.
    asset    TEXT NOT NULL,
    cause    TEXT NOT NULL CHECK (cause IN ('silence', 'window', 'parent', 'part', 'storm')),
    by_what  TEXT NOT NULL,
    fault    TEXT REFERENCES fault (id),
    since    BIGINT NOT NULL,
    until    BIGINT,
    ended_at BIGINT,
    outcome  TEXT CHECK (outcome IN ('told', 'cleared', 'joined'))
);
CREATE INDEX withheld_open ON withheld (alert) WHERE ended_at IS NULL;
CREATE INDEX withheld_fault ON withheld (fault);

CREATE TABLE storm (
    fault     TEXT PRIMARY KEY REFERENCES fault (id),
    rule      TEXT NOT NULL,
    site      TEXT NOT NULL REFERENCES site (id),
    site_name TEXT NOT NULL,
    begun_at  BIGINT NOT NULL
);

-- One row for each person who was ever paged: when of late, and what waits for the next digest, as JSON.
CREATE TABLE page_budget (
    person TEXT PRIMARY KEY REFERENCES person (id),
    state  TEXT NOT NULL
);
