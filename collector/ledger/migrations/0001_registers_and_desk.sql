-- The registers (customer, site, contract, asset, host, person), the way in (session, tokens, links), the desk's work
-- (alert, fault, ticket, clocks, timeline), the outbox (page) and the audit trail. One text for SQLite and PostgreSQL:
--
--   * instants are BIGINT, milliseconds since 1970-01-01T00:00:00Z; ids are TEXT, UUIDs in lower case,
--   * flags are INTEGER 0 or 1, closed lists are TEXT words with a CHECK,
--   * a sentence for people is two columns, _en and _zh,
--   * secrets are kept as SHA-256 in hex, passwords as Argon2id PHC strings,
--   * nothing is ever deleted but ended sessions and a ticket's old clock rows while new ones replace them.

CREATE TABLE customer (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE site (
    id         TEXT PRIMARY KEY,
    customer   TEXT NOT NULL REFERENCES customer (id),
    name       TEXT NOT NULL,
    -- IANA zone: used to show times and to count calendars.
    zone       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX site_customer ON site (customer);

CREATE TABLE contract (
    id            TEXT PRIMARY KEY,
    customer      TEXT NOT NULL REFERENCES customer (id),
    name          TEXT NOT NULL,
    policy        TEXT NOT NULL,
    grade         TEXT NOT NULL,
    -- When reports are accepted, such as 7x24 or 5x8.
    service_hours TEXT NOT NULL,
    -- Start and end of maintenance; NULL: not agreed.
    starts_at     BIGINT,
    ends_at       BIGINT,
    created_at    BIGINT NOT NULL
);
CREATE INDEX contract_customer ON contract (customer);

-- What covers hosts until there are real customers. These ids are fixed: DEFAULT_CUSTOMER and its kin in the code.
INSERT INTO customer (id, name, created_at)
    VALUES ('00000000-0000-7000-8000-000000000001', '默认客户 Default', 0);
INSERT INTO site (id, customer, name, zone, created_at)
    VALUES ('00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000001', '默认站点 Default',
            'Asia/Shanghai', 0);
INSERT INTO contract (id, customer, name, policy, grade, service_hours, starts_at, ends_at, created_at)
    VALUES ('00000000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-000000000001', '默认合同 Default',
            'basic', 'standard', '7x24', NULL, NULL, 0);

CREATE TABLE asset (
    id         TEXT PRIMARY KEY,
    customer   TEXT NOT NULL REFERENCES customer (id),
    contract   TEXT NOT NULL REFERENCES contract (id),
    site       TEXT NOT NULL REFERENCES site (id),
    name       TEXT NOT NULL,
    importance TEXT NOT NULL CHECK (importance IN ('low', 'normal', 'key')),
    created_at BIGINT NOT NULL
);
CREATE INDEX asset_customer ON asset (customer);

CREATE TABLE asset_tag (
    asset TEXT NOT NULL REFERENCES asset (id),
    tag   TEXT NOT NULL,
    PRIMARY KEY (asset, tag)
);

CREATE TABLE host (
    id                TEXT PRIMARY KEY,
    asset             TEXT NOT NULL UNIQUE REFERENCES asset (id),
    -- What the host said of itself, as JSON; read back whole, never searched by SQL.
    facts             TEXT NOT NULL,
    enrolled_at       BIGINT NOT NULL,
    certificate_until BIGINT NOT NULL,
    generation        BIGINT NOT NULL CHECK (generation >= 1),
    revoked_at        BIGINT,
    revoked_by        TEXT,
    interval_ms       BIGINT NOT NULL,
    last_seen_at      BIGINT
);

CREATE TABLE enrol_token (
    id          TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    host_name   TEXT NOT NULL,
    customer    TEXT REFERENCES customer (id),
    made_by     TEXT NOT NULL,
    made_at     BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT
);

CREATE TABLE person (
    id            TEXT PRIMARY KEY,
    login         TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('administrator', 'operator', 'supervisor', 'customer')),
    customer      TEXT REFERENCES customer (id),
    language      TEXT NOT NULL CHECK (language IN ('en', 'zh-CN')),
    email         TEXT NOT NULL,
    phone         TEXT NOT NULL,
    on_duty       INTEGER NOT NULL CHECK (on_duty IN (0, 1)),
    -- Empty: cannot sign in by password.
    password_hash TEXT NOT NULL,
    -- Wrong passwords in a row since the last success or lock.
    failed_count  BIGINT NOT NULL,
    locked_until  BIGINT,
    CHECK (role <> 'customer' OR customer IS NOT NULL)
);

CREATE TABLE session (
    secret_hash TEXT PRIMARY KEY,
    person      TEXT NOT NULL REFERENCES person (id),
    begun_at    BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL
);
CREATE INDEX session_person ON session (person);

CREATE TABLE api_token (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL CHECK (role IN ('administrator', 'operator', 'supervisor', 'customer')),
    person      TEXT NOT NULL REFERENCES person (id),
    secret_hash TEXT NOT NULL UNIQUE,
    made_at     BIGINT NOT NULL,
    revoked_at  BIGINT
);

CREATE TABLE sign_in_link (
    secret_hash TEXT PRIMARY KEY,
    person      TEXT NOT NULL REFERENCES person (id),
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT
);

CREATE TABLE fault (
    id            TEXT PRIMARY KEY,
    asset         TEXT NOT NULL REFERENCES asset (id),
    customer      TEXT NOT NULL REFERENCES customer (id),
    severity      TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'minor', 'major', 'critical')),
    level         BIGINT NOT NULL CHECK (level BETWEEN 1 AND 255),
    title_en      TEXT NOT NULL,
    title_zh      TEXT NOT NULL,
    occurred_at   BIGINT NOT NULL,
    discovered_at BIGINT NOT NULL,
    reported_at   BIGINT NOT NULL,
    accepted_at   BIGINT,
    cleared_at    BIGINT,
    -- Without REFERENCES, for the ticket points back; both are written in one transaction.
    ticket        TEXT
);
CREATE INDEX fault_newest ON fault (discovered_at, id);
CREATE INDEX fault_asset ON fault (asset);
CREATE INDEX fault_ticket ON fault (ticket);
CREATE INDEX fault_open ON fault (id) WHERE cleared_at IS NULL;

CREATE TABLE alert (
    id            TEXT PRIMARY KEY,
    rule          TEXT NOT NULL,
    host          TEXT NOT NULL REFERENCES host (id),
    asset         TEXT NOT NULL REFERENCES asset (id),
    instance      TEXT NOT NULL,
    -- SHA-256 of the instance in hex: an instance may be longer than an index entry of PostgreSQL can be.
    instance_hash TEXT NOT NULL,
    severity      TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'minor', 'major', 'critical')),
    response      TEXT NOT NULL CHECK (response IN ('record', 'notify', 'ticket')),
    title_en      TEXT NOT NULL,
    title_zh      TEXT NOT NULL,
    remedy_en     TEXT NOT NULL,
    remedy_zh     TEXT NOT NULL,
    metric        TEXT NOT NULL,
    value         DOUBLE PRECISION,
    threshold     DOUBLE PRECISION,
    state         TEXT NOT NULL CHECK (state IN ('raised', 'cleared')),
    occurred_at   BIGINT NOT NULL,
    raised_at     BIGINT NOT NULL,
    cleared_at    BIGINT,
    fault         TEXT REFERENCES fault (id),
    -- Whether its ticket is a drill, which never mixes with the real thing.
    drill         INTEGER NOT NULL CHECK (drill IN (0, 1))
);
-- Raised once: at most one raised alert for one rule, host and instance, and one more while it is drilled.
CREATE UNIQUE INDEX alert_raised_once ON alert (rule, host, instance_hash, drill) WHERE state = 'raised';
CREATE INDEX alert_newest ON alert (raised_at, id);
CREATE INDEX alert_host ON alert (host, raised_at, id);
CREATE INDEX alert_fault ON alert (fault);

CREATE TABLE ticket (
    id            TEXT PRIMARY KEY,
    number        BIGINT NOT NULL UNIQUE CHECK (number >= 1),
    kind          TEXT NOT NULL CHECK (kind IN ('fault', 'request', 'drill')),
    state         TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'on_site', 'waiting', 'restored', 'resolved',
                                                 'closed', 'merged', 'cancelled')),
    prior_state   TEXT CHECK (prior_state IN ('open', 'accepted', 'on_site', 'waiting', 'restored', 'resolved',
                                              'closed', 'merged', 'cancelled')),
    title_en      TEXT NOT NULL,
    title_zh      TEXT NOT NULL,
    remedy_en     TEXT NOT NULL,
    remedy_zh     TEXT NOT NULL,
    level         BIGINT NOT NULL CHECK (level BETWEEN 1 AND 255),
    severity      TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'minor', 'major', 'critical')),
    fault         TEXT REFERENCES fault (id),
    asset         TEXT NOT NULL REFERENCES asset (id),
    asset_name    TEXT NOT NULL,
    host          TEXT REFERENCES host (id),
    customer      TEXT NOT NULL REFERENCES customer (id),
    contract      TEXT NOT NULL REFERENCES contract (id),
    assignee      TEXT REFERENCES person (id),
    assignee_name TEXT,
    page_round    BIGINT NOT NULL,
    page_due_at   BIGINT,
    opened_at     BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    -- The earliest due of the clocks that run, the end of time when none does: what lists are sorted by.
    next_due_at   BIGINT NOT NULL,
    -- Grows by one with each step that touched the ticket.
    revision      BIGINT NOT NULL,
    -- The seq of its last timeline entry.
    entry_count   BIGINT NOT NULL
);
CREATE INDEX ticket_urgency ON ticket (level, next_due_at, number);
CREATE INDEX ticket_live ON ticket (id) WHERE state NOT IN ('closed', 'merged', 'cancelled');
CREATE INDEX ticket_host ON ticket (host);
CREATE INDEX ticket_customer ON ticket (customer);

CREATE TABLE ticket_clock (
    ticket      TEXT NOT NULL REFERENCES ticket (id),
    kind        TEXT NOT NULL CHECK (kind IN ('respond', 'arrive', 'restore', 'resolve')),
    -- Its place among the ticket's clocks.
    place       BIGINT NOT NULL,
    started_at  BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    stopped_at  BIGINT,
    breached_at BIGINT,
    PRIMARY KEY (ticket, kind)
);

-- The timeline. Never changed, never erased.
CREATE TABLE ticket_entry (
    ticket     TEXT NOT NULL REFERENCES ticket (id),
    seq        BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    -- NULL: Tocsin itself.
    actor      TEXT REFERENCES person (id),
    actor_name TEXT,
    via        TEXT NOT NULL CHECK (via IN ('system', 'console', 'api', 'link')),
    action     TEXT NOT NULL,
    from_state TEXT,
    to_state   TEXT,
    note_en    TEXT NOT NULL,
    note_zh    TEXT NOT NULL,
    PRIMARY KEY (ticket, seq)
);

-- The outbox: no page is sent that is not here.
CREATE TABLE page (
    id            TEXT PRIMARY KEY,
    -- Stable through every resend: receivers drop doubles by it.
    page_key      TEXT NOT NULL UNIQUE,
    ticket        TEXT REFERENCES ticket (id),
    ticket_number BIGINT,
    person        TEXT NOT NULL REFERENCES person (id),
    destination   TEXT NOT NULL,
    reason        TEXT NOT NULL CHECK (reason IN ('opened', 'unaccepted', 'breached', 'recurred', 'restored', 'notice')),
    title_en      TEXT NOT NULL,
    title_zh      TEXT NOT NULL,
    body_en       TEXT NOT NULL,
    body_zh       TEXT NOT NULL,
    level         BIGINT NOT NULL CHECK (level BETWEEN 1 AND 255),
    drill         INTEGER NOT NULL CHECK (drill IN (0, 1)),
    created_at    BIGINT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed', 'withdrawn')),
    attempts      BIGINT NOT NULL,
    due_at        BIGINT NOT NULL,
    sent_at       BIGINT,
    error         TEXT NOT NULL
);
CREATE INDEX page_due ON page (due_at, id) WHERE state = 'queued';
CREATE INDEX page_newest ON page (created_at, id);
CREATE INDEX page_person ON page (person, created_at, id);
CREATE INDEX page_ticket ON page (ticket);

-- Numbers that only grow: the last ticket number, and the number of audit lines.
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counter (name, value) VALUES ('ticket', 0);
INSERT INTO counter (name, value) VALUES ('audit', 0);

-- The audit trail: each line's hash covers its fields and the hash before it, so a changed, removed or inserted line
-- shows; the counter shows a tail that was cut off.
CREATE TABLE audit (
    seq       BIGINT PRIMARY KEY,
    at        BIGINT NOT NULL,
    actor     TEXT NOT NULL,
    via       TEXT NOT NULL,
    action    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    detail    TEXT NOT NULL,
    prev_hash TEXT NOT NULL,
    hash      TEXT NOT NULL
);

-- Small things the collector keeps for itself, such as the key that signs the links of pages.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
