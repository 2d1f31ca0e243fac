//! Stories: what happens to one fault, step by step.

use super::*;
use crate::{
    input::Report,
    model::{ClockKind, TicketState},
};
use tocsin_vocabulary::Level;

/// A desk, its virtual clock, and what the last step said.
pub(super) struct Story {
    pub(super) desk: Desk,
    pub(super) now: Timestamp,
    pub(super) last: Effects,
}

impl Story {
    pub(super) fn with_duty(duty: Vec<OnDuty>) -> Self {
        let desk = Desk::new(Policy::basic(), IdSource::new(1), OpenWork::default(), duty);
        Self {
            desk,
            now: Timestamp::from_millis(1_000_000),
            last: Effects::default(),
        }
    }

    pub(super) fn begin() -> Self {
        Self::with_duty(vec![on_duty(1), on_duty(2)])
    }

    pub(super) fn after(mut self, time: Duration) -> Self {
        self.now = self.now.plus(time);
        self
    }

    pub(super) fn does(mut self, input: Input) -> Self {
        self.last = self.desk.step(input, self.now).unwrap();
        self
    }

    pub(super) fn raise(self) -> Self {
        self.does(Input::Alerts(vec![alert(Turn::Raised, 1, "disk")]))
    }

    pub(super) fn clear(self) -> Self {
        self.does(Input::Alerts(vec![alert(Turn::Cleared, 1, "disk")]))
    }

    pub(super) fn timer(self) -> Self {
        self.does(Input::Timer)
    }

    pub(super) fn person_does(self, who: u8, action: Action) -> Self {
        let ticket = self.desk.ticket_by_number(1).unwrap().id;
        self.does(act(ticket, who, action))
    }

    pub(super) fn refuses(self, who: u8, action: Action, code: Code) -> Self {
        let ticket = self.desk.ticket_by_number(1).unwrap().id;
        let before = self.desk.open_work();
        let mut story = self;
        let refusal = story.desk.step(act(ticket, who, action), story.now).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal}");
        assert_eq!(story.desk.open_work(), before, "a refusal changes nothing");
        story
    }

    pub(super) fn ticket(&self) -> &Ticket {
        self.desk.ticket_by_number(1).unwrap()
    }

    pub(super) fn is(self, state: TicketState) -> Self {
        assert_eq!(self.ticket().state, state);
        self
    }

    /// The timeline lines of the last step.
    pub(super) fn tells(self, actions: &[&str]) -> Self {
        let told: Vec<_> = self.last.entries.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(told, actions);
        self
    }

    /// The pages of the last step: reason and how many.
    pub(super) fn pages(self, expected: &[(PageReason, usize)]) -> Self {
        let mut counted: Vec<(PageReason, usize)> = Vec::new();
        for page in &self.last.pages {
            match counted.iter_mut().find(|(reason, _)| *reason == page.reason) {
                Some((_, count)) => *count += 1,
                None => counted.push((page.reason, 1)),
            }
        }
        assert_eq!(counted, expected);
        self
    }

    pub(super) fn silent(self) -> Self {
        assert!(self.last.is_empty(), "{:#?}", self.last);
        self
    }
}

#[test]
fn a_fault_from_alert_to_the_customers_word() {
    let story = Story::begin()
        .raise()
        .is(TicketState::Open)
        .tells(&["open", "page"])
        .pages(&[(PageReason::Opened, 4)]);
    assert_eq!(story.last.pages[0].key, format!("1-opened-1-{}-inbox", person(1)));
    assert_eq!(story.last.pages[0].body.en, "Value 97 %, threshold 90 %. make room");
    let opened_at = story.now;
    assert_eq!(
        story.ticket().clock(ClockKind::Respond).unwrap().due_at,
        opened_at.plus(HOUR)
    );

    let story = story
        .after(MINUTE)
        .person_does(1, Action::Accept)
        .is(TicketState::Accepted)
        .tells(&["accept"])
        .pages(&[]);
    assert_eq!(story.last.withdrawn.len(), 4);
    assert_eq!(story.last.faults[0].accepted_at, Some(story.now));
    assert_eq!(
        story.ticket().clock(ClockKind::Respond).unwrap().stopped_at,
        Some(story.now)
    );
    assert_eq!(
        story.ticket().clock(ClockKind::Resolve).unwrap().due_at,
        story.now.plus(4 * HOUR)
    );
    assert_eq!(story.ticket().revision, 2);

    let story = story
        .after(MINUTE)
        .clear()
        .is(TicketState::Restored)
        .tells(&["alert_cleared", "restore"]);
    let story = story.pages(&[(PageReason::Restored, 2)]);
    assert_eq!(story.last.faults[0].cleared_at, Some(story.now));

    let story = story
        .after(MINUTE)
        .person_does(1, resolve())
        .is(TicketState::Resolved)
        .tells(&["resolve"]);
    let story = story.person_does(1, Action::Confirm).tells(&["confirm"]);
    assert_eq!(story.last.tickets[0].state, TicketState::Closed);
    assert!(
        story.last.tickets[0]
            .clocks
            .iter()
            .all(|clock| clock.stopped_at.is_some() && clock.breached_at.is_none())
    );
    let rest = OpenWork {
        last_number: 1,
        quiet: story.desk.open_work().quiet,
        ..OpenWork::default()
    };
    assert_eq!(story.desk.open_work(), rest, "nothing is left in RAM");
    assert_eq!(story.desk.next_due(), None);
}

#[test]
fn pages_go_out_in_rounds_until_somebody_accepts() {
    let story = Story::begin().raise().after(4 * MINUTE).timer().silent();
    assert_eq!(story.desk.next_due(), Some(story.now.plus(MINUTE)));
    let story = story
        .after(MINUTE)
        .timer()
        .tells(&["page"])
        .pages(&[(PageReason::Unaccepted, 4)]);
    assert_eq!(
        story.last.withdrawn.len(),
        4,
        "the round before is taken back where it still waits"
    );
    let story = story.timer().silent().after(MINUTE).person_does(2, Action::Accept);
    story.after(20 * MINUTE).timer().silent();
}

#[test]
fn rounds_come_to_an_end() {
    let mut policy = Policy::basic();
    policy.paging.rounds_max = 2;
    let mut story = Story::begin();
    story.desk = Desk::new(policy, IdSource::new(1), OpenWork::default(), vec![on_duty(1)]);
    let story = story.raise().after(5 * MINUTE).timer().tells(&["page", "page_end"]);
    story.after(5 * MINUTE).timer().silent();
}

#[test]
fn with_nobody_on_duty_the_ticket_says_so_and_the_next_person_is_paged_at_once() {
    let story = Story::with_duty(Vec::new())
        .raise()
        .tells(&["open", "page_nobody"])
        .pages(&[]);
    let half_an_hour = story.now.plus(30 * MINUTE);
    assert_eq!(story.desk.next_due(), Some(half_an_hour), "only the clock runs");
    let story = story.after(MINUTE).timer().silent();
    story
        .does(Input::Duty(vec![on_duty(3)]))
        .tells(&["page"])
        .pages(&[(PageReason::Opened, 2)]);
}

#[test]
fn a_breach_is_told_once_and_stays() {
    let story = Story::begin().raise().after(MINUTE).person_does(1, Action::Accept);
    let due = story.ticket().clock(ClockKind::Arrive).unwrap().due_at;
    assert_eq!(story.desk.next_due(), Some(due.minus(HOUR)), "half of the time");
    let story = story
        .after(HOUR)
        .timer()
        .tells(&["warn"])
        .pages(&[(PageReason::Warned, 2)]);
    let story = story
        .after(HOUR)
        .timer()
        .tells(&["breach", "raise", "warn"])
        .pages(&[(PageReason::Breached, 2)]);
    let first = |story: &Story| {
        *story
            .ticket()
            .clocks
            .iter()
            .find(|clock| clock.kind == ClockKind::Arrive)
            .unwrap()
    };
    assert_eq!(first(&story).breached_at, Some(due));
    assert_eq!(story.ticket().level, Level::new(2));
    let story = story.timer().silent().person_does(1, Action::Arrive).tells(&["arrive"]);
    assert_eq!(first(&story).breached_at, Some(due));
}

#[test]
fn an_acceptance_that_comes_late_is_late_even_before_the_timer_ran() {
    let story = Story::begin()
        .raise()
        .after(HOUR)
        .person_does(1, Action::Accept)
        .tells(&["breach", "raise", "accept"]);
    assert_eq!(story.ticket().clocks[0].kind, ClockKind::Respond);
    assert!(story.ticket().clocks[0].breached_at.is_some());
    assert_eq!(story.ticket().revision, 2, "one step, one revision");
    assert_eq!(story.ticket().entry_count, 5);
}

#[test]
fn a_rule_that_calls_it_worse_makes_its_fault_and_ticket_worse() {
    let mut worse = alert(Turn::Updated, 1, "disk");
    worse.severity = Severity::Critical;
    let story = Story::begin().raise().does(Input::Alerts(vec![worse.clone()]));
    assert_eq!(story.ticket().severity, Severity::Critical);
    assert_eq!(story.last.faults[0].severity, Severity::Critical);
    assert_eq!(story.last.tickets[0].revision, 2);
    worse.severity = Severity::Minor;
    let story = story.does(Input::Alerts(vec![worse]));
    assert_eq!(story.ticket().severity, Severity::Critical, "the worst it ever was");
}

#[test]
fn a_rule_that_repeats_itself_changes_nothing_but_the_value() {
    let story = Story::begin().raise().raise().silent();
    let mut update = alert(Turn::Updated, 1, "disk");
    update.value = Some(0.99);
    let story = story.does(Input::Alerts(vec![update])).tells(&[]).pages(&[]);
    assert_eq!((story.last.alerts.len(), story.last.tickets.len()), (1, 0));
    assert_eq!(story.last.alerts[0].value, Some(0.99));
}

#[test]
fn many_alerts_of_one_moment_are_one_commit() {
    let turns = (1..=5).map(|n| alert(Turn::Raised, n, "disk")).collect();
    let story = Story::begin().does(Input::Alerts(turns));
    assert_eq!(
        (
            story.last.alerts.len(),
            story.last.faults.len(),
            story.last.tickets.len()
        ),
        (5, 5, 5)
    );
    let numbers: Vec<_> = story.last.tickets.iter().map(|ticket| ticket.number).collect();
    assert_eq!(story.last.pages.len(), 20);
    assert!((1..=5).all(|number| numbers.contains(&number)));
}

#[test]
fn raised_and_cleared_in_one_moment_pages_only_the_end() {
    let turns = vec![alert(Turn::Raised, 1, "disk"), alert(Turn::Cleared, 1, "disk")];
    let story = Story::begin().does(Input::Alerts(turns)).is(TicketState::Restored);
    let story = story.pages(&[(PageReason::Restored, 4)]);
    assert!(
        story.last.withdrawn.is_empty(),
        "what was never written need not be taken back"
    );
    assert_eq!((story.ticket().revision, story.ticket().entry_count), (1, 4));
}

#[test]
fn a_notice_pages_without_a_ticket_and_a_record_is_only_kept() {
    let mut notify = alert(Turn::Raised, 1, "load");
    notify.response = Response::Notify;
    let story = Story::begin()
        .does(Input::Alerts(vec![notify.clone()]))
        .tells(&[])
        .pages(&[(PageReason::Notice, 4)]);
    assert_eq!((story.last.tickets.len(), story.last.pages[0].ticket), (0, None));
    let mut record = alert(Turn::Raised, 1, "trend");
    record.response = Response::Record;
    let story = story.does(Input::Alerts(vec![record])).pages(&[]);
    assert_eq!(story.last.alerts.len(), 1);
    notify.response = Response::Ticket;
    let story = story.does(Input::Alerts(vec![notify])).tells(&["open", "page"]);
    assert_eq!(
        story.last.alerts[0].fault, story.last.tickets[0].fault,
        "the rule asks for more now"
    );
}

#[test]
fn a_drill_is_marked_and_never_hides_the_real_thing() {
    let mut drill = alert(Turn::Raised, 1, "disk");
    drill.drill = true;
    let story = Story::begin().does(Input::Alerts(vec![drill.clone()]));
    assert_eq!(story.ticket().kind, TicketKind::Drill);
    assert!(story.last.pages.iter().all(|page| page.drill));
    let story = story.raise().tells(&["open", "page"]);
    assert_eq!(story.last.tickets[0].number, 2);
    let story = story.person_does(
        1,
        Action::Cancel {
            reason: "drill over".to_owned(),
        },
    );
    assert_eq!(story.last.alerts.len(), 1, "the drill's alert is over with it");
    drill.turn = Turn::Cleared;
    story.does(Input::Alerts(vec![drill])).silent();
}

#[test]
fn a_drill_that_is_over_leaves_nothing_behind() {
    let mut drill = alert(Turn::Raised, 1, "disk");
    drill.drill = true;
    let cancel = Action::Cancel {
        reason: "over".to_owned(),
    };
    let story = Story::begin().does(Input::Alerts(vec![drill])).person_does(1, cancel);
    assert!(story.desk.alerts.is_empty() && story.desk.latest.is_empty());
    assert!(story.desk.faults.is_empty() && story.desk.shown_by.is_empty());
}

#[test]
fn the_same_person_may_press_accept_twice_and_another_is_told_who_has_it() {
    let story = Story::begin()
        .raise()
        .person_does(1, Action::Accept)
        .person_does(1, Action::Accept)
        .silent();
    let story = story.refuses(2, Action::Accept, Code::Conflict);
    let assign = Action::Assign {
        to: person(2),
        name: "person 2".to_owned(),
    };
    let story = story
        .person_does(1, assign)
        .is(TicketState::Accepted)
        .pages(&[(PageReason::Opened, 2)]);
    assert_eq!(story.last.pages[0].person, person(2));
    let story = story.person_does(2, Action::Accept).silent();
    assert_eq!(story.ticket().assignee, Some(person(2)));
}

#[test]
fn an_owner_off_duty_hears_of_it_and_so_do_those_on_duty() {
    let assign = Action::Assign {
        to: person(9),
        name: "person 9".to_owned(),
    };
    let story = Story::begin()
        .raise()
        .person_does(1, Action::Accept)
        .person_does(1, assign);
    let story = story.pages(&[(PageReason::Opened, 1)]);
    assert_eq!(story.last.pages[0].destination, "inbox", "the policy's destinations");
    story
        .after(5 * HOUR)
        .timer()
        .tells(&["breach", "raise", "breach", "raise"])
        .pages(&[(PageReason::Breached, 10)]);
}

#[test]
fn refusals_say_why_and_change_nothing() {
    let story = Story::begin().raise();
    let story = story.refuses(1, Action::Confirm, Code::Conflict);
    let story = story.refuses(1, Action::Note { text: "  ".to_owned() }, Code::InvalidInput);
    let mut story = story.refuses(
        1,
        Action::Note {
            text: "字".repeat(4001),
        },
        Code::InvalidInput,
    );
    let unknown = act(TicketId::from_bytes([9; 16]), 1, Action::Accept);
    assert_eq!(story.desk.step(unknown, story.now).unwrap_err().code, Code::NotFound);
    let stale = Act {
        ticket: story.ticket().id,
        actor: Actor::Person(person(1), "person 1".to_owned()),
        via: Via::Api,
        action: Action::Accept,
        revision: Some(7),
    };
    let refusal = story.desk.step(Input::Act(stale.clone()), story.now).unwrap_err();
    assert_eq!(refusal.code, Code::Conflict);
    assert_eq!(
        refusal.reason,
        "#1 has moved on since you saw it (revision 7, now 1): reload"
    );
    let by_nobody = Act {
        actor: Actor::System,
        revision: None,
        ..stale
    };
    assert_eq!(
        story.desk.step(Input::Act(by_nobody), story.now).unwrap_err().code,
        Code::InvalidInput
    );
}

#[test]
fn a_person_reports_and_people_alone_restore_it() {
    let report = Report {
        kind: TicketKind::Fault,
        actor: Actor::Person(person(1), "person 1".to_owned()),
        via: Via::Console,
        asset: asset(1),
        title: "printer smokes".to_owned(),
        severity: Severity::Critical,
        occurred_at: None,
    };
    let mut endless = report.clone();
    endless.title = "烟".repeat(501);
    let mut story = Story::begin();
    let refusal = story.desk.step(Input::Report(endless), story.now).unwrap_err();
    assert_eq!(refusal.code, Code::InvalidInput, "{refusal}");
    let story = story
        .does(Input::Report(report))
        .tells(&["open", "page"])
        .pages(&[(PageReason::Opened, 4)]);
    let story = story
        .person_does(1, Action::Restore)
        .is(TicketState::Restored)
        .pages(&[]);
    assert_eq!(story.last.faults[0].cleared_at, Some(story.now));
    let story = story.person_does(2, resolve());
    assert_eq!(
        story.ticket().assignee,
        Some(person(2)),
        "who resolves what nobody accepted has taken it"
    );
    assert!(story.last.faults[0].accepted_at.is_some());
    let story = story
        .person_does(
            1,
            Action::Reopen {
                reason: "smokes again".to_owned(),
            },
        )
        .is(TicketState::Accepted);
    assert_eq!(story.last.faults[0].cleared_at, None);
    story.person_does(
        1,
        Action::Cancel {
            reason: "thrown away".to_owned(),
        },
    );
}
