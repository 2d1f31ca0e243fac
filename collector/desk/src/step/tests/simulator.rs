//! Random days at the desk, each from a seed; after every step the invariants are checked against the written rows.

mod rows;

use super::*;
use crate::{
    calendar::{Calendars, Holidays, YearFile},
    clocks::{Book, ContractTerms, Moment},
    digest::Budget,
    effect::QuietRows,
    escalation::Called,
    input::{Amend, Amendment, Found, PlanChange},
    life::{self, ActionKind},
    model::{ClockKind, PageState, TicketState},
    planned::{NewPlanned, Planned, PlannedKind, Scope, Span},
    policy::Impact,
    storm::{Storm, StormPolicy},
    topology::{Place, Relations},
    withheld::{Cause, Withheld},
};
use proptest::prelude::*;
use rows::Rows;
use std::{collections::BTreeSet, sync::Arc};

/// What people report.
const REPORTED: &str = "it smells";

/// One thing that may happen; numbers stand for which host, rule, person and ticket.
#[derive(Debug, Clone)]
enum Happening {
    Turns(Vec<(u8, u8, u8, bool)>),
    Found(u8, u8),
    Act(u8, u8, u8),
    Merge(u8, u8),
    Amend(u8, u8, u8, u64),
    Crew(u8),
    Audit,
    Relook,
    Report(u8),
    Timer,
    Duty(u8),
    Plan(u8, u8, u64),
    EndPlan(u8),
    Holidays(u8),
}

fn happening() -> impl Strategy<Value = (u64, Happening)> {
    let turn = (0..4_u8, 1..4_u8, 0..4_u8, prop::bool::weighted(0.1));
    let what = prop_oneof![
        4 => prop::collection::vec(turn, 1..4).prop_map(Happening::Turns),
        1 => (1..4_u8, 0..4_u8).prop_map(|(host, rule)| Happening::Found(host, rule)),
        6 => (0..8_u8, 1..4_u8, 0..13_u8).prop_map(|(ticket, who, action)| Happening::Act(ticket, who, action)),
        1 => (0..8_u8, 0..8_u8).prop_map(|(ticket, into)| Happening::Merge(ticket, into)),
        3 => (0..8_u8, 0..6_u8, 0..8_u8, 0..4_000_000_u64)
            .prop_map(|(ticket, what, which, millis)| Happening::Amend(ticket, what, which, millis)),
        1 => (0..4_u8).prop_map(Happening::Crew),
        1 => Just(Happening::Audit),
        1 => Just(Happening::Relook),
        1 => (1..4_u8).prop_map(Happening::Report),
        3 => Just(Happening::Timer),
        1 => (0..3_u8).prop_map(Happening::Duty),
        2 => (0..3_u8, 0..4_u8, 1..4_000_000_u64).prop_map(|(kind, scope, millis)| Happening::Plan(kind, scope, millis)),
        1 => (0..4_u8).prop_map(Happening::EndPlan),
        1 => (0..3_u8).prop_map(Happening::Holidays),
    ];
    (prop_oneof![Just(0_u64), 1..600_000_u64, 600_000..20_000_000_u64], what)
}

fn action(n: u8) -> Action {
    let words = || "because".to_owned();
    match n {
        0 | 1 => Action::Accept,
        2 => Action::Assign {
            to: person(7),
            name: words(),
        },
        3 => Action::Arrive,
        4 | 11 | 12 => Action::Wait {
            reason: ["because", "customer: no access", "parts"][usize::from(n) % 3].to_owned(),
            until: None,
        },
        5 => Action::Resume,
        6 => Action::Restore,
        7 => resolve(),
        8 => Action::Confirm,
        9 => Action::Reopen { reason: words() },
        _ => Action::Cancel { reason: words() },
    }
}

/// What a rule says: of the last two, one asks for no ticket, and one closes its own.
fn told(turn: u8, host: u8, rule: u8, now: Timestamp) -> AlertChange {
    let (number, rule) = (usize::from(rule), ["disk", "load", "trend", "minor"][usize::from(rule)]);
    let turns = [Turn::Raised, Turn::Updated, Turn::Cleared, Turn::Updated];
    let mut change = alert(turns[usize::from(turn)], host, rule);
    change.response = [Response::Ticket, Response::Ticket, Response::Notify, Response::Ticket][number];
    change.severity = match (turn, number) {
        (3, _) => Severity::Critical,
        (_, 3) => Severity::Minor,
        _ => Severity::Major,
    };
    change.ruling.auto_close = number == 3;
    change.occurred_at = now;
    change
}

fn amendment(what: u8, which: u8, at: Timestamp) -> Amendment {
    let words = || "because".to_owned();
    match what {
        0 | 1 => Amendment::Enter {
            moment: Moment::ALL[usize::from(which)],
            at,
            reason: words(),
        },
        2 => Amendment::Plan { text: words() },
        3 => Amendment::GiveUp { reason: words() },
        4 => Amendment::Waive { reason: words() },
        _ => Amendment::Impact([Impact::Outage, Impact::Partial, Impact::None][usize::from(which) % 3]),
    }
}

fn amend(ticket: TicketId, amendment: Amendment) -> Input {
    Input::Amend(Amend {
        ticket,
        actor: Actor::Person(person(1), "person 1".to_owned()),
        via: Via::Console,
        amendment,
        revision: None,
    })
}

fn chain() -> Chain {
    let mut chain = Chain::shipped();
    chain.rungs[3].hours = crate::escalation::Hours::Closed;
    chain.rungs[6].percent = Some(70);
    chain
}

fn crew(n: u8) -> Crew {
    let posts = [Called::Main, Called::Deputy, Called::Leader, Called::TeamLead];
    let posts = posts.into_iter().zip(1..).filter(|(_, post)| *post <= n);
    Crew {
        people: posts.map(|(post, who)| (post, vec![on_duty(who)])).collect(),
        ..Crew::default()
    }
}

fn plan(kind: u8, scope: u8, millis: u64, now: Timestamp) -> NewPlanned {
    let scope = match scope {
        0 => Scope {
            assets: vec![asset(1).asset],
            ..Scope::default()
        },
        1 => Scope {
            tags: vec!["odd".to_owned()],
            ..Scope::default()
        },
        2 => Scope {
            rules: vec!["d*".to_owned()],
            ..Scope::default()
        },
        _ => Scope {
            sites: vec![asset(1).site],
            ..Scope::default()
        },
    };
    NewPlanned {
        kind: PlannedKind::ALL[usize::from(kind)],
        scope,
        span: Span::once(now, now.plus(Duration::from_millis(millis))),
        reason: "because".to_owned(),
        owner: Some(person(9)),
        made_by: "wang".to_owned(),
    }
}

/// Three hosts of one site; the first hangs on the second. Any two of them make a storm, and few pages make a minute full.
fn furnish(desk: &mut Desk) {
    desk.survey((1..4).map(|n| Place {
        asset: asset(n).asset,
        host: Some(host(n)),
        name: format!("web-{n}"),
        customer: asset(n).customer,
        site: asset(n).site,
        site_name: "A".to_owned(),
        tags: if n % 2 == 1 { vec!["odd".to_owned()] } else { Vec::new() },
        parent: (n == 1).then(|| asset(2).asset),
    }));
    desk.relate(Relations {
        silence: BTreeSet::from(["load".to_owned()]),
        explained_by: BTreeMap::from([
            ("disk".to_owned(), vec!["load".to_owned()]),
            ("load".to_owned(), vec!["disk".to_owned()]),
        ]),
    });
    desk.limit(Limits {
        storm: StormPolicy {
            percent: 100,
            hosts_min: 3,
            told_at_once: 1,
            ..StormPolicy::default()
        },
        pages_per_minute: 3,
    });
}

fn input(desk: &Desk, happening: &Happening, now: Timestamp) -> Option<Input> {
    Some(match happening {
        Happening::Turns(turns) => Input::Alerts(
            turns
                .iter()
                .map(|&(turn, host, rule, drill)| AlertChange {
                    drill,
                    ..told(turn, host, rule, now)
                })
                .collect(),
        ),
        Happening::Found(host, rule) => Input::Found(vec![Found {
            change: told(0, *host, *rule, now),
            cleared_at: now,
        }]),
        Happening::Merge(ticket, into) => {
            let nth = |n: u8| desk.tickets.values().nth(usize::from(n) % desk.tickets.len().max(1));
            let (ticket, into) = (nth(*ticket)?, nth(*into)?);
            act(ticket.id, 1, Action::Merge { into: into.number })
        }
        Happening::Amend(ticket, what, which, millis) => {
            let ticket = desk
                .tickets
                .keys()
                .nth(usize::from(*ticket) % desk.tickets.len().max(1))?;
            amend(
                *ticket,
                amendment(*what, *which, now.minus(Duration::from_millis(*millis))),
            )
        }
        Happening::Crew(n) => Input::Escalation(Box::new((chain(), crew(*n)))),
        Happening::Holidays(n) => Input::Calendars(calendars(*n)),
        Happening::Audit => Input::Audit,
        Happening::Relook => Input::Relook,
        Happening::Act(ticket, who, number) => {
            let ticket = desk
                .tickets
                .keys()
                .nth(usize::from(*ticket) % desk.tickets.len().max(1))?;
            act(*ticket, *who, action(*number))
        }
        Happening::Report(n) => Input::Report(crate::input::Report {
            kind: TicketKind::Fault,
            actor: Actor::Person(person(1), "person 1".to_owned()),
            via: Via::Console,
            asset: asset(*n),
            title: REPORTED.to_owned(),
            severity: Severity::Minor,
            occurred_at: None,
        }),
        Happening::Timer => Input::Timer,
        Happening::Duty(count) => Input::Duty((1..=*count).map(on_duty).collect()),
        Happening::Plan(kind, scope, millis) => {
            Input::Plan(PlanChange::Add(Box::new(plan(*kind, *scope, *millis, now))))
        }
        Happening::EndPlan(n) => {
            let id = desk
                .quiet
                .planned
                .keys()
                .nth(usize::from(*n) % desk.quiet.planned.len().max(1))?;
            Input::Plan(PlanChange::End {
                id: *id,
                by: "wang".to_owned(),
            })
        }
    })
}

/// What two desks must agree on. Pages are a set: the ledger gives them back in the order of their ids. Which of two episodes
/// that cleared in the same millisecond is remembered tells nothing: both lead to the same ticket.
fn sorted(mut work: OpenWork) -> OpenWork {
    work.alerts.retain(|alert| alert.state == AlertState::Raised);
    work.pages.sort_unstable_by_key(|page| page.id);
    work
}

/// Calendars that know nothing of 2027, that know of a holiday on its first Monday, or of a make-up Saturday before.
fn calendars(n: u8) -> Arc<Calendars> {
    let mut holidays = Holidays::built_in();
    let day = |date: &str, off: bool| {
        let notice = format!(r#"{{"year": 2027, "days": [{{"name": "x", "date": "{date}", "isOffDay": {off}}}]}}"#);
        YearFile::parse(&notice).unwrap()
    };
    match n {
        0 => {}
        1 => holidays.add(day("2027-01-04", true)),
        _ => holidays.add(day("2027-01-02", false)),
    }
    Arc::new(Calendars::new(&BTreeMap::new(), holidays))
}

/// A policy for the hosts' one contract, with its service hours.
fn book(policy: &Policy, hours: &str) -> Book {
    let terms = ContractTerms {
        policy: policy.name.clone(),
        grade: String::new(),
        service_hours: hours.to_owned(),
        warranty_until: None,
    };
    let contracts = BTreeMap::from([(asset(1).contract, terms)]);
    Book::new(policy.clone(), Vec::new(), calendars(0), contracts)
}

/// A desk as it is made after a start.
fn made(book: &Book, ids: IdSource, work: OpenWork, duty: Vec<OnDuty>, escalation: (Chain, Crew)) -> Desk {
    let mut desk = Desk::new(book.clone(), ids, work, duty).with_escalation(escalation);
    furnish(&mut desk);
    desk
}

/// What must be true of the desk between two steps.
fn check_desk(desk: &Desk, now: Timestamp) {
    assert!(
        desk.next_due().is_none_or(|due| due > now),
        "the timer leaves nothing due behind"
    );
    for ticket in desk.tickets.values() {
        assert_eq!(
            desk.agenda.noted(ticket.id),
            desk.due(ticket),
            "noted is what is due: {ticket:#?}"
        );
        let goes_on = match ticket.state {
            // The timeline says that nobody is there, or that the last round went out.
            TicketState::Open => {
                let told_out = ticket.page_round >= desk.policy.paging.rounds_max;
                desk.due(ticket).is_some() || !desk.is_anybody_there() || told_out
            }
            TicketState::Accepted | TicketState::OnSite => {
                desk.due(ticket).is_some() || ticket.clocks.iter().any(|clock| clock.breached_at.is_some())
            }
            // The reason stands in the timeline; what is restored or resolved waits for people.
            _ => true,
        };
        assert!(goes_on, "no next step: {ticket:#?}");
    }
    for (fault, alerts) in &desk.shown_by {
        for alert in alerts {
            assert_eq!(desk.alerts[alert].fault, Some(*fault), "an alert shows one fault");
        }
    }
}

/// Time passes: either the collector lives through it, or it was down and finds all at once.
fn pass(desk: &mut Desk, rows: &mut Rows, now: Timestamp, lived: bool) {
    for _ in 0..200 {
        let Some(due) = desk.next_due().filter(|due| *due <= now && lived) else {
            break;
        };
        desk.step(Input::Timer, due)
            .map(|effects| rows.write(&effects, due, false))
            .unwrap();
        check_desk(desk, due);
    }
    desk.step(Input::Timer, now)
        .map(|effects| rows.write(&effects, now, false))
        .unwrap();
    check_desk(desk, now);
}

/// Days that are simulated: a few hundred in the suite; `TOCSIN_SEEDS=5000` for as many as that.
fn seeds() -> u32 {
    let wanted = std::env::var("TOCSIN_SEEDS").ok();
    wanted.and_then(|count| count.parse().ok()).unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: seeds(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_desk_keeps_its_promises(
        happenings in prop::collection::vec(happening(), 1..60),
        seed: u64,
        lived: u64,
        policy in 0..3_usize,
        hours in 0..3_usize,
    ) {
        let policy = shipped(["basic", "duty", "impact"][policy]);
        let mut book = book(&policy, ["7x24", "7x8", "5x8"][hours]);
        let mut rows = Rows::default();
        // A Friday morning in Shanghai.
        let mut now: Timestamp = "2027-01-01T10:00:00+08:00".parse().unwrap();
        let mut escalation = (chain(), crew(0));
        let mut desk = made(&book, IdSource::new(seed), OpenWork::default(), vec![on_duty(1)], escalation.clone());
        for (number, (millis, happening)) in happenings.iter().enumerate() {
            now = now.plus(Duration::from_millis(*millis));
            pass(&mut desk, &mut rows, now, lived >> (number % 64) & 1 == 1);
            let Some(input) = input(&desk, happening, now) else { continue };
            let mut rebuilt = made(&book, desk.ids.clone(), rows.open_work(), desk.duty.clone(), escalation.clone());
            prop_assert_eq!(rebuilt.next_due(), desk.next_due());
            if let Input::Escalation(changed) = &input {
                escalation = (**changed).clone();
            }
            if let Input::Calendars(changed) = &input {
                book.set_calendars(changed.clone());
            }
            let corrected = matches!(&input, Input::Amend(_));
            let mut told = desk.step(input.clone(), now);
            let mut retold = rebuilt.step(input, now);
            for effects in [&mut told, &mut retold].into_iter().flatten() {
                effects.withdrawn.sort_unstable();
            }
            prop_assert_eq!(&told, &retold, "a desk rebuilt from the ledger goes on in the same way");
            if let Ok(effects) = told {
                rows.write(&effects, now, corrected);
            }
            prop_assert_eq!(sorted(desk.open_work()), sorted(rebuilt.open_work()));
            // What the input made due belongs to this moment, whenever it was meant for: time never goes back.
            pass(&mut desk, &mut rows, now, false);
        }
        let left: Vec<PlannedId> = desk.planned().map(|planned| planned.id).collect();
        for id in left {
            let end = Input::Plan(PlanChange::End { id, by: "wang".to_owned() });
            desk.step(end, now).map(|effects| rows.write(&effects, now, false)).unwrap();
        }
        now = now.plus(Duration::from_secs(3_600));
        desk.step(Input::Timer, now).map(|effects| rows.write(&effects, now, false)).unwrap();
        for withheld in rows.withheld.values().filter(|withheld| withheld.ended_at.is_none()) {
            prop_assert!(matches!(withheld.cause, Cause::Parent | Cause::Part), "only what explains it keeps it: {withheld:?}");
            let explaining = &rows.alerts[&withheld.by.parse().unwrap()];
            prop_assert_eq!(explaining.state, AlertState::Raised);
        }
    }
}

fn shipped(name: &str) -> Policy {
    Policy::shipped()
        .into_iter()
        .find(|policy| policy.name == name)
        .unwrap()
}
