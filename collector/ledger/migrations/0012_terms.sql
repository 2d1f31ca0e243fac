-- Which shares of which terms were told: a term is a promise beside a ticket's clocks, such as the answer to a complaint, or
-- a warning that is told once. Never changed.
CREATE TABLE term_told (
    -- `1042-verify`, `holidays-2027`.
    term    TEXT NOT NULL,
    -- Of its time that had run; 100: it was missed.
    percent BIGINT NOT NULL CHECK (percent BETWEEN 0 AND 100),
    at      BIGINT NOT NULL,
    PRIMARY KEY (term, percent)
);
