//! Stories of contracts' clocks: pauses, raises, times that are entered late, and a Friday before a make-up Saturday.

use super::{stories::Story, *};
use crate::{
    calendar::{Calendars, Holidays, TimeBase, YearFile},
    clocks::{Book, ContractTerms, MarkKind, Moment},
    input::{Amend, Amendment},
    model::{Clock, ClockKind, TicketState},
    policy::Impact,
};
use tocsin_vocabulary::Level;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A desk whose one contract bought this.
fn contract(policy: &str, grade: &str, service_hours: &str, now: &str) -> Story {
    let terms = ContractTerms {
        policy: policy.to_owned(),
        grade: grade.to_owned(),
        service_hours: service_hours.to_owned(),
        warranty_until: None,
    };
    let contracts = BTreeMap::from([(asset(1).contract, terms)]);
    let book = Book::new(Policy::basic(), Policy::shipped(), Calendars::built_in(), contracts);
    assert_eq!(book.mistakes(), Vec::<String>::new());
    let mut story = Story::begin();
    story.desk = Desk::new(book, IdSource::new(1), OpenWork::default(), vec![on_duty(1)]);
    story.now = at(now);
    story
}

impl Story {
    fn severe(self, severity: Severity) -> Self {
        let mut change = alert(Turn::Raised, 1, "disk");
        change.severity = severity;
        change.occurred_at = self.now;
        self.does(Input::Alerts(vec![change]))
    }

    fn amends(self, amendment: Amendment) -> Self {
        let input = self.amend(amendment);
        self.does(input)
    }

    fn amend(&self, amendment: Amendment) -> Input {
        Input::Amend(Amend {
            ticket: self.ticket().id,
            actor: Actor::Person(person(1), "person 1".to_owned()),
            via: Via::Console,
            amendment,
            revision: None,
        })
    }

    /// Lets time pass up to an instant; whatever is due on the way is done when it is due.
    fn until(mut self, instant: &str) -> Self {
        let instant = at(instant);
        let mut effects = Effects::default();
        while let Some(due) = self.desk.next_due().filter(|due| *due <= instant) {
            self.now = self.now.max(due);
            self = self.timer();
            effects.entries.append(&mut self.last.entries);
            effects.pages.append(&mut self.last.pages);
            effects.fired.append(&mut self.last.fired);
        }
        self.now = instant;
        self.last = effects;
        self
    }

    fn clock(&self, kind: ClockKind) -> Clock {
        *self.ticket().clock(kind).unwrap()
    }

    fn due(&self, kind: ClockKind) -> String {
        let calendars = Calendars::built_in();
        calendars.get("7x24").unwrap().show(self.clock(kind).due_at)
    }

    fn marks(&self, kind: ClockKind) -> Vec<MarkKind> {
        let marks = self.last.marks.iter().filter(|mark| mark.clock == kind);
        marks.map(|mark| mark.kind).collect()
    }
}

fn wait(reason: &str) -> Action {
    Action::Wait {
        reason: reason.to_owned(),
        until: None,
    }
}

fn enter(moment: Moment, when: &str) -> Amendment {
    Amendment::Enter {
        moment,
        at: at(when),
        reason: "the phone was dead".to_owned(),
    }
}

#[test]
fn a_friday_fault_of_grade_c_is_due_on_the_make_up_saturday() {
    let story = contract("graded", "C", "", "2026-02-13T16:30:00+08:00").severe(Severity::Critical);
    let story = story.person_does(1, Action::Accept);
    assert_eq!(
        story.due(ClockKind::Arrive),
        "2026-02-14T17:00:00+08:00",
        "the next working day"
    );
    assert_eq!(
        story.due(ClockKind::Resolve),
        "2026-02-16T16:30:00+08:00",
        "72 h by the wall clock"
    );
    let timing = &story.ticket().reckoning.timings[0];
    assert_eq!((timing.calendar.as_str(), timing.base), ("5x8", TimeBase::Business));
    // Accepted in the evening it counts from the opening.
    let story = contract("graded", "C", "", "2026-02-13T20:00:00+08:00").severe(Severity::Critical);
    let story = story.person_does(1, Action::Accept);
    assert_eq!(story.due(ClockKind::Resolve), "2026-02-17T09:00:00+08:00");
    assert_eq!(story.due(ClockKind::Arrive), "2026-02-24T17:00:00+08:00");
}

#[test]
fn clocks_stand_still_only_while_it_waits_for_what_the_policy_allows() {
    let story = contract("basic", "", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    let story = story.person_does(1, Action::Accept);
    let story = story
        .until("2026-03-02T11:00:00+08:00")
        .person_does(1, wait("客户: 等待窗口"));
    assert_eq!(story.marks(ClockKind::Resolve), [MarkKind::Pause]);
    assert_eq!(story.ticket().next_due(), None, "nothing is due while it waits");
    let story = story.until("2026-03-02T15:00:00+08:00");
    assert_eq!(story.last.entries, [], "no warning and no breach");
    let story = story.person_does(1, Action::Resume);
    assert_eq!(story.marks(ClockKind::Resolve), [MarkKind::Resume]);
    assert_eq!(story.due(ClockKind::Resolve), "2026-03-02T18:00:00+08:00");
    assert_eq!(story.due(ClockKind::Arrive), "2026-03-02T16:00:00+08:00");
    // Our own spare parts are our own matter.
    let story = story.person_does(1, wait("parts: a fan"));
    assert_eq!(story.last.marks, []);
    let story = story.until("2026-03-02T16:00:00+08:00");
    assert_eq!(
        story
            .ticket()
            .clocks
            .iter()
            .filter(|clock| clock.breached_at.is_some())
            .count(),
        1
    );
}

#[test]
fn a_return_out_of_waiting_waits_on_as_if_it_had_not_been_restored() {
    let story = contract("basic", "", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    let story = story.person_does(1, Action::Accept).person_does(1, Action::Arrive);
    let story = story
        .until("2026-03-02T11:00:00+08:00")
        .person_does(1, wait("customer"));
    let story = story
        .until("2026-03-02T12:00:00+08:00")
        .clear()
        .is(TicketState::Restored);
    let story = story.until("2026-03-02T13:00:00+08:00").severe(Severity::Minor);
    let story = story.is(TicketState::Waiting);
    assert_eq!(story.ticket().prior_state, Some(TicketState::OnSite));
    let story = story.until("2026-03-02T14:00:00+08:00").person_does(1, Action::Resume);
    let story = story.is(TicketState::OnSite);
    assert_eq!(
        story.due(ClockKind::Resolve),
        "2026-03-02T17:00:00+08:00",
        "three hours of waiting"
    );
}

#[test]
fn each_breach_raises_one_level_and_the_new_clocks_are_never_later_than_the_old() {
    let story = contract("graded", "B", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    let story = story.person_does(1, Action::Accept);
    assert_eq!(story.ticket().level, Level::new(3));
    assert_eq!(story.due(ClockKind::Resolve), "2026-03-04T10:00:00+08:00");
    // Nobody came within 4 h: from level 3 to 2, whose 24 h begin at the raise.
    let story = story.until("2026-03-02T14:00:00+08:00");
    assert_eq!(story.ticket().level, Level::new(2));
    assert_eq!(story.due(ClockKind::Resolve), "2026-03-03T14:00:00+08:00");
    // Missed a second time: to level 1, whose 4 h end before the 24 h would have.
    let story = story.until("2026-03-02T18:00:00+08:00");
    assert_eq!(story.ticket().level, Level::WORST);
    assert_eq!(story.due(ClockKind::Resolve), "2026-03-02T22:00:00+08:00");
    let kinds: Vec<_> = story
        .ticket()
        .clocks
        .iter()
        .map(|clock| (clock.kind, clock.breached_at.is_some()))
        .collect();
    assert_eq!(
        kinds,
        [
            (ClockKind::Arrive, true),
            (ClockKind::Resolve, false),
            (ClockKind::Arrive, true),
            (ClockKind::Resolve, false),
            (ClockKind::Arrive, false),
            (ClockKind::Resolve, false)
        ],
        "breaches stay on record"
    );
    let ticket = story.ticket();
    let places = ticket.clocks.iter().enumerate();
    let superseded: Vec<bool> = places
        .map(|(place, clock)| ticket.reckoning.superseded(place, clock).is_some())
        .collect();
    assert_eq!(superseded, [true, true, true, true, false, false]);
    let story = story.until("2026-03-03T18:00:00+08:00");
    assert_eq!(story.ticket().level, Level::WORST, "nothing is worse");
}

#[test]
fn a_raise_late_in_the_old_target_keeps_the_old_due() {
    let story = contract("four-level", "", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    let story = story.person_does(1, Action::Accept).person_does(1, Action::Arrive);
    assert_eq!(story.due(ClockKind::Restore), "2026-03-03T10:00:00+08:00");
    let story = story
        .until("2026-03-03T06:00:00+08:00")
        .amends(Amendment::Impact(Impact::Function));
    assert_eq!(story.ticket().level, Level::new(2));
    assert_eq!(
        story.due(ClockKind::Restore),
        "2026-03-03T10:00:00+08:00",
        "12 h from now would be later"
    );
    assert_eq!(story.clock(ClockKind::Restore).started_at, story.now);
}

/// Of the policy with four levels: minor, on site, not raised by a breach; due at 10:00 the next day.
fn on_site_of_level_3() -> Story {
    let story = contract("four-level", "", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    let story = story.person_does(1, Action::Accept).person_does(1, Action::Arrive);
    story.amends(Amendment::Waive {
        reason: "agreed by phone with Mr Zhao".to_owned(),
    })
}

#[test]
fn waiting_takes_no_breach_back_of_the_old_due_that_a_raise_kept() {
    let story = on_site_of_level_3()
        .until("2026-03-03T06:00:00+08:00")
        .amends(Amendment::Impact(Impact::Function))
        .until("2026-03-03T11:00:00+08:00");
    let missed = story.clock(ClockKind::Restore);
    assert_eq!(missed.breached_at, Some(at("2026-03-03T10:00:00+08:00")));
    // The 12 h of the new level have not run yet.
    let story = story.person_does(1, wait("customer"));
    assert_eq!(story.clock(ClockKind::Restore), missed);
    assert_eq!(story.marks(ClockKind::Restore), []);
}

#[test]
fn waiting_after_a_raise_does_not_move_what_the_raise_stopped() {
    let story = on_site_of_level_3()
        .until("2026-03-03T06:00:00+08:00")
        .amends(Amendment::Impact(Impact::Function))
        .until("2026-03-03T07:00:00+08:00")
        .amends(Amendment::Impact(Impact::DataLost))
        .until("2026-03-03T08:00:00+08:00")
        .person_does(1, wait("customer"))
        .until("2026-03-03T09:00:00+08:00")
        .person_does(1, Action::Resume);
    let clocks = story.ticket().clocks.iter();
    let restore: Vec<Timestamp> = clocks
        .filter(|clock| clock.kind == ClockKind::Restore)
        .map(|clock| clock.due_at)
        .collect();
    let (old, new) = (at("2026-03-03T10:00:00+08:00"), at("2026-03-03T11:00:00+08:00"));
    assert_eq!(restore, [old, old, new]);
}

#[test]
fn an_agreed_waiver_is_recorded_and_nothing_is_raised() {
    let story = contract("graded", "B", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    let story = story.person_does(1, Action::Accept).amends(Amendment::Waive {
        reason: "agreed by phone with Mr Zhao".to_owned(),
    });
    let story = story
        .tells(&["waive"])
        .until("2026-03-02T14:00:00+08:00")
        .tells(&["warn", "warn", "breach"]);
    assert_eq!(story.ticket().level, Level::new(3));
    assert_eq!(story.ticket().reckoning.waiver.as_ref().unwrap().by, "person 1");
}

#[test]
fn an_outage_that_lasts_becomes_worse_by_itself() {
    let story = contract("graded", "A", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    let story = story.amends(Amendment::Impact(Impact::BusinessDown));
    assert_eq!(story.ticket().level, Level::new(2));
    let story = story.until("2026-03-02T10:09:00+08:00");
    assert_eq!(story.ticket().level, Level::new(2));
    let story = story.until("2026-03-02T10:10:00+08:00").tells(&["raise", "page"]);
    assert_eq!(story.ticket().level, Level::WORST);
}

#[test]
fn each_share_of_a_target_is_told_once_also_after_a_restart() {
    let story = contract("basic", "", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    let story = story.person_does(1, Action::Accept).person_does(1, Action::Arrive);
    let mut told = Vec::new();
    let mut story = story;
    for instant in ["12:00", "13:00", "13:12", "13:30", "14:00", "14:30"] {
        story = story.until(&format!("2026-03-02T{instant}:00+08:00"));
        told.extend(
            story
                .last
                .fired
                .iter()
                .map(|(_, fired, _)| (fired.clock, fired.rung, fired.percent)),
        );
        let work = story.desk.open_work();
        let book = story.desk.book().clone();
        story.desk = Desk::new(book, story.desk.ids.clone(), work, story.desk.duty.clone());
    }
    let resolve = |percent| (ClockKind::Resolve, 0, percent);
    assert_eq!(told, [resolve(50), resolve(80), resolve(100)]);
}

#[test]
fn a_time_that_is_entered_late_counts_and_both_times_are_kept() {
    let story = contract("basic", "", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    // Taken by phone at once, but entered only after the hour was over.
    let story = story.until("2026-03-02T11:30:00+08:00").person_does(1, Action::Accept);
    assert!(story.ticket().clocks[0].breached_at.is_some());
    let story = story
        .until("2026-03-02T11:40:00+08:00")
        .amends(enter(Moment::Accepted, "2026-03-02T10:05:00+08:00"));
    assert_eq!(story.last.entries[0].action, "enter");
    assert_eq!(story.last.entries[0].at, story.now);
    assert!(
        story.last.entries[0].note.en.contains("2026-03-02T02:05"),
        "{}",
        story.last.entries[0].note.en
    );
    let respond = story.ticket().clocks[0];
    assert_eq!(
        (respond.stopped_at, respond.breached_at),
        (Some(at("2026-03-02T10:05:00+08:00")), None)
    );
    assert_eq!(story.due(ClockKind::Resolve), "2026-03-02T14:05:00+08:00");
    assert!(story.marks(ClockKind::Resolve).contains(&MarkKind::Correct));
    let mark = story
        .last
        .marks
        .iter()
        .find(|mark| mark.clock == ClockKind::Respond)
        .unwrap();
    assert_eq!((mark.at, mark.entered_at), (at("2026-03-02T10:05:00+08:00"), story.now));
    assert_eq!(story.last.faults[0].accepted_at, Some(at("2026-03-02T10:05:00+08:00")));
}

#[test]
fn a_time_that_was_later_than_noted_can_show_a_breach() {
    let story = contract("basic", "", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    let story = story.person_does(1, Action::Accept).person_does(1, Action::Arrive);
    let story = story
        .until("2026-03-02T13:00:00+08:00")
        .amends(enter(Moment::OnSite, "2026-03-02T12:30:00+08:00"));
    let story = story.tells(&["enter", "breach"]).pages(&[(PageReason::Breached, 2)]);
    let arrive = story
        .ticket()
        .clocks
        .iter()
        .find(|clock| clock.kind == ClockKind::Arrive)
        .unwrap();
    assert_eq!(arrive.breached_at, Some(at("2026-03-02T12:00:00+08:00")));
}

#[test]
fn times_that_cannot_be_are_refused_and_change_nothing() {
    let story = contract("basic", "", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    let mut story = story.until("2026-03-02T10:30:00+08:00").person_does(1, Action::Accept);
    for (amendment, code) in [
        (enter(Moment::Accepted, "2026-03-02T12:00:00+08:00"), Code::InvalidInput),
        (enter(Moment::Accepted, "2026-03-02T09:00:00+08:00"), Code::InvalidInput),
        (enter(Moment::OnSite, "2026-03-02T10:10:00+08:00"), Code::Conflict),
        (
            Amendment::Waive {
                reason: "  ".to_owned(),
            },
            Code::InvalidInput,
        ),
    ] {
        let before = story.desk.open_work();
        let input = story.amend(amendment.clone());
        let refusal = story.desk.step(input, story.now).unwrap_err();
        assert_eq!(refusal.code, code, "{amendment:?}: {refusal}");
        assert_eq!(story.desk.open_work(), before);
    }
}

#[test]
fn the_specialist_is_due_an_hour_after_the_duty_engineer_gives_up() {
    let story = contract("duty", "", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    let story = story.person_does(1, Action::Accept).until("2026-03-02T10:20:00+08:00");
    assert!(story.ticket().clock(ClockKind::Arrive).is_none());
    let story = story.amends(Amendment::GiveUp {
        reason: "needs the vendor's key".to_owned(),
    });
    assert_eq!(story.due(ClockKind::Arrive), "2026-03-02T11:20:00+08:00");
}

#[test]
fn restoring_counts_from_the_arrival_or_from_when_it_was_due_where_nobody_had_to_come() {
    let story = contract("impact", "", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Critical);
    let story = story
        .amends(Amendment::Impact(Impact::Outage))
        .person_does(1, Action::Accept);
    assert_eq!(story.due(ClockKind::Arrive), "2026-03-02T11:00:00+08:00");
    assert_eq!(story.due(ClockKind::Restore), "2026-03-02T13:00:00+08:00");
    assert_eq!(story.due(ClockKind::Recover), "2026-03-02T17:00:00+08:00");
    let story = story.until("2026-03-02T10:30:00+08:00").person_does(1, Action::Arrive);
    assert_eq!(story.due(ClockKind::Restore), "2026-03-02T12:30:00+08:00");
    // A person restores the service; the indicators are normal once the alert has cleared.
    let story = story.until("2026-03-02T12:00:00+08:00").person_does(1, Action::Restore);
    assert!(story.clock(ClockKind::Restore).stopped_at.is_some());
    assert_eq!(story.clock(ClockKind::Recover).stopped_at, None);
    let story = story.until("2026-03-02T12:10:00+08:00").clear();
    assert_eq!(story.clock(ClockKind::Recover).stopped_at, Some(story.now));
}

#[test]
fn the_interval_log_tells_every_change_in_order() {
    let story = contract("basic", "", "7x24", "2026-03-02T10:00:00+08:00").severe(Severity::Minor);
    let mut log = story.last.marks.clone();
    let story = story.person_does(1, Action::Accept);
    log.extend(story.last.marks.clone());
    let story = story.until("2026-03-02T11:00:00+08:00").clear();
    log.extend(story.last.marks.clone());
    let story = story.person_does(1, resolve());
    log.extend(story.last.marks);
    let told: Vec<_> = log
        .iter()
        .map(|mark| (mark.seq, mark.clock.as_str(), mark.kind.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (1, "respond", "start"),
            (2, "respond", "stop"),
            (3, "arrive", "start"),
            (4, "resolve", "start"),
            (5, "arrive", "stop"),
            (6, "resolve", "stop")
        ]
    );
    assert!(
        log.iter()
            .all(|mark| !mark.calendar_version.is_empty() && !mark.policy_version.is_empty())
    );
}

/// Calendars that know of a holiday which nobody knew of: 2027-01-01, a Friday.
fn a_holiday_becomes_known() -> Input {
    let mut holidays = Holidays::built_in();
    let notice = r#"{"year": 2027, "days": [{"name": "元旦", "date": "2027-01-01", "isOffDay": true}]}"#;
    holidays.add(YearFile::parse(notice).unwrap());
    Input::Calendars(std::sync::Arc::new(Calendars::new(&BTreeMap::new(), holidays)))
}

#[test]
fn holidays_that_become_known_move_the_targets_of_open_tickets_at_once() {
    // A Friday, and a working day as long as nobody knows better.
    let story = contract("basic", "", "5x8", "2027-01-01T10:00:00+08:00").raise();
    let due = |story: &Story| story.ticket().clock(ClockKind::Respond).unwrap().due_at;
    let before = due(&story);
    let known = a_holiday_becomes_known();
    let story = story.after(MINUTE).does(known.clone()).tells(&["calendar"]);
    assert!(due(&story) >= before.plus(48 * HOUR), "it opens on Monday");
    story.after(MINUTE).does(known).silent();
}

#[test]
fn holidays_that_become_known_leave_alone_what_was_met() {
    let story = contract("basic", "", "5x8", "2027-01-01T10:00:00+08:00").severe(Severity::Minor);
    let story = story.after(MINUTE).person_does(1, Action::Accept);
    let met = story.ticket().clocks[0];
    assert!(met.stopped_at.is_some() && met.breached_at.is_none());
    let story = story.after(MINUTE).does(a_holiday_becomes_known()).tells(&["calendar"]);
    assert_eq!(story.ticket().clocks[0], met);
    let resolve = story.ticket().clock(ClockKind::Resolve).unwrap().due_at;
    assert!(resolve > at("2027-01-04T00:00:00+08:00"), "what runs is counted anew");
    let story = story.after(MINUTE).person_does(1, Action::Restore);
    assert_eq!(story.ticket().clocks[0], met, "and whatever follows moves it no more");
}

#[test]
fn holidays_that_become_known_take_no_breach_back() {
    let story = contract("basic", "", "5x8", "2027-01-01T10:00:00+08:00").severe(Severity::Minor);
    let story = story.until("2027-01-01T11:30:00+08:00");
    let missed = story.ticket().clocks[0];
    assert_eq!(missed.breached_at, Some(at("2027-01-01T11:00:00+08:00")));
    let story = story.does(a_holiday_becomes_known());
    assert_eq!(story.ticket().clocks[0], missed);
    let story = story.after(MINUTE).person_does(1, Action::Accept);
    let respond = story.ticket().clocks[0];
    let stopped_at = missed.stopped_at.or(Some(story.now));
    assert_eq!(respond, Clock { stopped_at, ..missed });
}
