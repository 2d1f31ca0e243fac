//! One fault, told from beginning to end: a Friday at half past four before a Saturday that is worked to make up for the
//! Spring Festival, under grade C (5×8, on site by the next working day).

use super::{stories::Story, *};
use crate::{
    account::{
        downtime::{Cause, Claim, Downtime, How, Line, Turn as Said},
        extension::{self, Maintenance, Rounding},
        report::{self, Facts, Kind, Report, Stamp, Standing},
    },
    calendar::Calendars,
    clocks::{Book, ContractTerms},
    escalation::{Called, Chain, Crew},
    model::{ClockKind, Entry, Page},
};
use tocsin_vocabulary::Level;

const FIRST: u8 = 1;
const SECOND: u8 = 2;
const LEAD: u8 = 3;

/// The story with all that it left behind.
struct Tale {
    story: Story,
    entries: Vec<Entry>,
    pages: Vec<Page>,
}

impl Tale {
    /// It is this moment; what is due until then has been done when it was due.
    fn at(mut self, moment: &str) -> Self {
        let moment: Timestamp = moment.parse().unwrap();
        while let Some(due) = self.story.desk.next_due().filter(|due| *due <= moment) {
            self.story.now = self.story.now.max(due);
            self.story = self.story.timer();
            self.keep();
        }
        self.story.now = moment;
        self
    }

    fn keep(&mut self) {
        self.entries.append(&mut self.story.last.entries);
        self.pages.append(&mut self.story.last.pages);
    }

    fn then(mut self, step: impl FnOnce(Story) -> Story) -> Self {
        self.story = step(self.story);
        self.keep();
        self
    }

    /// Whom pages of this reason have reached so far, in the order in which they first did.
    fn has_paged(self, reason: PageReason, people: &[u8]) -> Self {
        let mut found: Vec<u8> = Vec::new();
        for page in self.pages.iter().filter(|page| page.reason == reason) {
            let person = page.person.as_bytes()[0];
            if !found.contains(&person) {
                found.push(person);
            }
        }
        assert_eq!(found, people, "{reason:?}");
        self
    }

    fn stands_on(self, level: u8) -> Self {
        assert_eq!(self.story.ticket().level, Level::new(level));
        self
    }

    fn falls_due(self, kind: ClockKind, moment: &str) -> Self {
        let due = self.story.ticket().clock(kind).unwrap().due_at;
        let calendars = Calendars::built_in();
        assert_eq!(calendars.get("5x8").unwrap().show(due), moment);
        self
    }

    fn told(&self, action: &str) -> usize {
        self.entries.iter().filter(|entry| entry.action == action).count()
    }
}

/// A desk whose one contract bought grade C, with a first and a second engineer and their lead.
fn duty_room(now: &str) -> Tale {
    let terms = ContractTerms {
        policy: "graded".to_owned(),
        grade: "C".to_owned(),
        service_hours: String::new(),
        warranty_until: None,
    };
    let contracts = BTreeMap::from([(asset(1).contract, terms)]);
    let book = Book::new(Policy::basic(), Policy::shipped(), Calendars::built_in(), contracts);
    let mut story = Story::begin();
    story.desk = Desk::new(book, IdSource::new(1), OpenWork::default(), vec![on_duty(FIRST)]);
    story.now = now.parse().unwrap();
    let crew = Crew {
        people: [
            (Called::Main, vec![on_duty(FIRST)]),
            (Called::Deputy, vec![on_duty(SECOND)]),
            (Called::Leader, vec![on_duty(LEAD)]),
        ]
        .into(),
        on_site: BTreeMap::new(),
        by_login: BTreeMap::new(),
        fallback: vec![on_duty(9)],
    };
    let story = story.does(Input::Escalation(Box::new((Chain::shipped(), crew))));
    Tale {
        story,
        entries: Vec::new(),
        pages: Vec::new(),
    }
}

fn the_database_stops(story: Story) -> Story {
    let change = AlertChange {
        severity: Severity::Critical,
        occurred_at: story.now,
        ..alert(Turn::Raised, 1, "database-down")
    };
    story.does(Input::Alerts(vec![change]))
}

#[test]
fn a_fault_on_a_friday_before_a_saturday_that_is_worked() {
    // Friday, 16:30. The first engineer is paged, and stays silent.
    let tale = duty_room("2026-02-13T16:30:00+08:00")
        .then(the_database_stops)
        .stands_on(2)
        .has_paged(PageReason::Opened, &[FIRST])
        .at("2026-02-13T16:44:59+08:00")
        .has_paged(PageReason::Unaccepted, &[FIRST]);

    // After a quarter of an hour the second and the lead are paged too.
    let tale = tale
        .at("2026-02-13T16:45:00+08:00")
        .has_paged(PageReason::Unaccepted, &[FIRST, SECOND, LEAD]);

    // The second takes it. Somebody has to be there on the next working day: that is this Saturday, not Monday.
    let tale = tale
        .at("2026-02-13T16:50:00+08:00")
        .then(|story| story.person_does(SECOND, Action::Accept))
        .falls_due(ClockKind::Arrive, "2026-02-14T17:00:00+08:00");

    // Nobody comes. On Saturday at 17:00 the target is missed, people are told, and the level is raised.
    let tale = tale.at("2026-02-14T16:59:59+08:00");
    assert_eq!((tale.told("breach"), tale.told("raise")), (0, 0));
    let tale = tale.at("2026-02-14T17:00:00+08:00").stands_on(1);
    assert_eq!((tale.told("breach"), tale.told("raise")), (1, 1));
    assert!(tale.pages.iter().any(|page| page.reason == PageReason::Breached));

    // The second arrives, the alert clears: service is back, and by itself the ticket says so.
    let tale = tale
        .at("2026-02-14T18:00:00+08:00")
        .then(|story| story.person_does(SECOND, Action::Arrive))
        .at("2026-02-14T19:00:00+08:00")
        .then(|story| story.does(Input::Alerts(vec![alert(Turn::Cleared, 1, "database-down")])));
    let reports = &tale.story.ticket().reckoning.reports;
    assert!(reports.contains_key(&Kind::Incident), "the worst level owes a report");
    assert!(!reports.contains_key(&Kind::Service), "the job is not done yet");

    // Cause and handling are written down; the customer confirms.
    let cause = Action::Resolve {
        cause: "the disk of the database was full".to_owned(),
        solution: "old logs were removed".to_owned(),
    };
    let tale = tale
        .at("2026-02-14T19:30:00+08:00")
        .then(|story| story.person_does(SECOND, cause));
    let ticket = tale.story.last.tickets[0].clone();
    let due = ticket.reckoning.reports[&Kind::Service].unwrap();
    assert_eq!(due, "2026-02-19T19:30:00+08:00".parse().unwrap(), "five days");
    let tale = tale.then(|story| story.person_does(FIRST, Action::Confirm));
    let ticket = tale.story.last.tickets.first().cloned().unwrap_or(ticket);
    assert_eq!(ticket.state, TicketState::Closed);

    // The incident report drafts itself, is finished, read by another, and issued.
    let facts = Facts {
        taken_at: tale.story.now,
        customer: "First Bank".to_owned(),
        contract: "grade C".to_owned(),
        entries: tale.entries.clone(),
        alerts: Vec::new(),
        pages: Vec::new(),
        spares: Vec::new(),
        ticket: ticket.clone(),
    };
    let mut words = report::drafted(Kind::Incident, &facts);
    assert_eq!(words["cause"], "the disk of the database was full");
    assert_eq!(words["handling"], "old logs were removed");
    words.insert("prevention".to_owned(), "a rule that forecasts".to_owned());
    let mut paper = Report {
        ticket: ticket.id,
        number: ticket.number,
        kind: Kind::Incident,
        due_at: ticket.reckoning.reports[&Kind::Incident].unwrap(),
        lines: Vec::new(),
    };
    assert_eq!(paper.standing(), Standing::Owed);
    paper.may_write(&words, None).unwrap();
    let version = report::Turn::Version {
        facts: Box::new(facts),
        words,
    };
    for (login, turn) in [
        ("second", version),
        ("first", stamped(Stamp::Review)),
        ("lead", stamped(Stamp::Issue)),
    ] {
        if let report::Turn::Stamped { stamp, .. } = &turn {
            paper.may_stamp(*stamp, login, "", None).unwrap();
        }
        paper.lines.push(report::Line {
            seq: paper.lines.len() as u64 + 1,
            at: tale.story.now,
            login: login.to_owned(),
            by: login.to_owned(),
            turn,
        });
    }
    assert_eq!(paper.standing(), Standing::Issued);

    // Service was down for 26 and a half hours by our cause; the customer agrees, and maintenance lasts two days longer.
    let moments = &ticket.reckoning.moments;
    let claim = Claim {
        from: moments.occurred,
        to: moments.restored,
        cause: Cause::Ours,
        words: "the disk was ours to watch".to_owned(),
    };
    let agreed = Said::Agree {
        who: "Mr Li".to_owned(),
        how: How::Paper,
        words: String::new(),
    };
    let mut downtime = Downtime {
        id: 1,
        ticket: Some(ticket.number),
        customer: ticket.customer,
        contract: ticket.contract,
        contract_name: "grade C".to_owned(),
        asset: ticket.asset,
        asset_name: ticket.asset_name.clone(),
        lines: Vec::new(),
    };
    let maintenance = Maintenance {
        starts_on: "2025-03-01".parse().ok(),
        ends_on: "2026-02-28".parse().ok(),
        rounding: Rounding::Up,
    };
    for turn in [Said::Claim(claim), agreed] {
        assert_eq!(
            extension::of(&maintenance, [&downtime]).days,
            0,
            "not before the customer's word"
        );
        downtime.may(&turn, tale.story.now).unwrap();
        downtime.lines.push(Line {
            seq: downtime.lines.len() as u64 + 1,
            at: tale.story.now,
            by: "lead".to_owned(),
            turn,
        });
    }
    let moved = extension::of(&maintenance, [&downtime]);
    assert_eq!((moved.days, moved.ends_on), (2, "2026-03-02".parse().ok()));
}

fn stamped(stamp: Stamp) -> report::Turn {
    report::Turn::Stamped {
        stamp,
        words: String::new(),
    }
}
