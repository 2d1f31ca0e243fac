-- Lists of what is live, which pages ask for all the time, must not read past years of what is done with.
CREATE INDEX ticket_live_urgency ON ticket (level, next_due_at, number)
    WHERE state NOT IN ('closed', 'merged', 'cancelled');
CREATE INDEX ticket_live_customer ON ticket (customer, level, next_due_at, number)
    WHERE state NOT IN ('closed', 'merged', 'cancelled');
CREATE INDEX alert_raised_newest ON alert (raised_at, id) WHERE state = 'raised';
CREATE INDEX fault_open_newest ON fault (discovered_at, id) WHERE cleared_at IS NULL;
-- One customer may have nearly all of them: the list's order belongs into the index.
DROP INDEX ticket_customer;
CREATE INDEX ticket_customer ON ticket (customer, level, next_due_at, number);
