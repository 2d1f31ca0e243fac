-- What people sign and hand in: attachments, approvals, confirmations, call-backs.
--
-- The content of an attachment lies in a file under its digest; the row comes after the file and neither is ever erased.

CREATE TABLE attachment (
    id           BIGINT PRIMARY KEY,
    ticket       TEXT NOT NULL REFERENCES ticket (id),
    digest       TEXT NOT NULL,
    name         TEXT NOT NULL,
    media        TEXT NOT NULL,
    bytes        BIGINT NOT NULL,
    purpose      TEXT NOT NULL,
    added_by     TEXT NOT NULL,
    added_at     BIGINT NOT NULL,
    published_by TEXT,
    published_at BIGINT
);
CREATE INDEX attachment_ticket ON attachment (ticket, id);

CREATE TABLE approval (
    id       BIGINT PRIMARY KEY,
    ticket   TEXT NOT NULL REFERENCES ticket (id),
    -- Everything else about it, as JSON.
    body     TEXT NOT NULL,
    -- 1 once it is answered and signed, or withdrawn.
    settled  INTEGER NOT NULL CHECK (settled IN (0, 1)),
    -- Grows with each change; a change that saw an older one is refused.
    revision BIGINT NOT NULL
);
CREATE INDEX approval_ticket ON approval (ticket, id);
CREATE INDEX approval_open ON approval (id) WHERE settled = 0;

-- Never changed, never erased.
CREATE TABLE confirmation (
    id     BIGINT PRIMARY KEY,
    ticket TEXT NOT NULL REFERENCES ticket (id),
    body   TEXT NOT NULL
);
CREATE INDEX confirmation_ticket ON confirmation (ticket, id);

-- One-time links behind which a customer signs on a phone.
CREATE TABLE sign_link (
    secret_hash  TEXT PRIMARY KEY,
    ticket       TEXT NOT NULL REFERENCES ticket (id),
    login        TEXT NOT NULL,
    expires_at   BIGINT NOT NULL,
    confirmation BIGINT
);

-- Never changed, never erased.
CREATE TABLE call_back (
    id     BIGINT PRIMARY KEY,
    ticket TEXT NOT NULL REFERENCES ticket (id),
    body   TEXT NOT NULL
);
CREATE INDEX call_back_ticket ON call_back (ticket, id);

-- What must be signed before which step: one row, as JSON.
CREATE TABLE paper_terms (
    name       TEXT PRIMARY KEY,
    terms      TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL
);

INSERT INTO counter (name, value) VALUES ('attachment', 0);
INSERT INTO counter (name, value) VALUES ('approval', 0);
INSERT INTO counter (name, value) VALUES ('confirmation', 0);
INSERT INTO counter (name, value) VALUES ('call_back', 0);
