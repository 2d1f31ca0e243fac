-- What becomes of a page on its way. `page.state` stays what the desk works with; a delivery is finer, and the database
-- itself refuses a move that is not in `delivery_move`: each change writes where it came from beside where it goes.

CREATE TABLE delivery_move (
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO delivery_move (from_state, to_state) VALUES
    -- The first row, and a channel that refused: another try, another channel.
    ('pending', 'pending'),
    ('pending', 'sending'),
    ('pending', 'failed'),
    ('sending', 'pending'),
    ('sending', 'accepted'),
    ('sending', 'delivered'),
    ('sending', 'read'),
    ('sending', 'failed'),
    ('sending', 'unknown'),
    -- A page that is told with others while it is under way.
    ('unknown', 'sending'),
    ('unknown', 'accepted'),
    ('unknown', 'delivered'),
    ('unknown', 'read'),
    ('unknown', 'failed'),
    -- Reports.
    ('accepted', 'delivered'),
    ('accepted', 'read'),
    ('accepted', 'failed'),
    -- No report came in time.
    ('accepted', 'unknown'),
    ('delivered', 'read'),
    -- Reported as failed: over the next channel.
    ('failed', 'sending');

CREATE TABLE delivery (
    page        TEXT PRIMARY KEY REFERENCES page (id),
    state       TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'accepted', 'delivered', 'read', 'failed',
                                               'unknown')),
    prior_state TEXT NOT NULL,
    -- Over which it goes, or went last.
    channel     TEXT NOT NULL,
    changed_at  BIGINT NOT NULL,
    -- The seq of its last step.
    seq         BIGINT NOT NULL CHECK (seq >= 1),
    FOREIGN KEY (prior_state, state) REFERENCES delivery_move (from_state, to_state)
);
CREATE INDEX delivery_sending ON delivery (page) WHERE state = 'sending';
CREATE INDEX delivery_accepted ON delivery (channel, changed_at) WHERE state = 'accepted';
CREATE INDEX delivery_changed ON delivery (changed_at);

-- How it came there. Never changed.
CREATE TABLE delivery_step (
    page      TEXT NOT NULL REFERENCES page (id),
    seq       BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    state     TEXT NOT NULL,
    channel   TEXT NOT NULL,
    -- What the other side calls the message; reports bear it. Empty: it named none.
    reference TEXT NOT NULL,
    detail    TEXT NOT NULL,
    PRIMARY KEY (page, seq)
);
CREATE INDEX delivery_step_reference ON delivery_step (reference) WHERE reference <> '';

-- Pages that may go, the worst level first.
CREATE INDEX page_due_worst ON page (due_at, id) WHERE state = 'queued' AND level = 1;

-- By which people prove themselves from a shared phone.
CREATE TABLE staff_number (
    person TEXT PRIMARY KEY REFERENCES person (id),
    number TEXT NOT NULL UNIQUE
);

-- How much of a customer's matters may leave the site; without a row everything.
CREATE TABLE customer_secrecy (
    customer TEXT PRIMARY KEY REFERENCES customer (id),
    secrecy  TEXT NOT NULL CHECK (secrecy IN ('full', 'code-only', 'none'))
);

-- Alerts that other systems brought, and the tickets that they opened.
CREATE TABLE outside_alert (
    source      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    -- NULL while it is being opened.
    ticket      TEXT REFERENCES ticket (id),
    firing      INTEGER NOT NULL CHECK (firing IN (0, 1)),
    changed_at  BIGINT NOT NULL,
    PRIMARY KEY (source, fingerprint)
);
