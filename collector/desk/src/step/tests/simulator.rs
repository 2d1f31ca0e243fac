//! Random days at the desk, each from a seed; after every step the invariants are checked against the written rows.

use super::*;
use crate::{
    digest::Budget,
    effect::QuietRows,
    input::PlanChange,
    life::{self, ActionKind},
    model::{ClockKind, PageState, TicketState},
    planned::{NewPlanned, Planned, PlannedKind, Scope, Span},
    storm::{Storm, StormPolicy},
    topology::{Place, Relations},
    withheld::{Cause, Withheld},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What the ledger would hold.
#[derive(Default)]
struct Rows {
    alerts: BTreeMap<AlertId, Alert>,
    faults: BTreeMap<FaultId, Fault>,
    tickets: BTreeMap<TicketId, Ticket>,
    entries: BTreeMap<TicketId, u64>,
    pages: BTreeMap<tocsin_vocabulary::PageId, Page>,
    keys: BTreeSet<String>,
    planned: BTreeMap<PlannedId, Planned>,
    withheld: BTreeMap<AlertId, Withheld>,
    storms: BTreeMap<FaultId, Storm>,
    budgets: BTreeMap<PersonId, Budget>,
}

impl Rows {
    fn write(&mut self, effects: &Effects, now: Timestamp) {
        for ticket in &effects.tickets {
            self.check_ticket(ticket, effects, now);
        }
        for entry in &effects.entries {
            let last = self.entries.entry(entry.ticket).or_default();
            *last += 1;
            assert_eq!(entry.seq, *last, "the timeline has no holes");
            assert!(effects.tickets.iter().any(|ticket| ticket.id == entry.ticket));
        }
        self.alerts
            .extend(effects.alerts.iter().map(|alert| (alert.id, alert.clone())));
        self.faults
            .extend(effects.faults.iter().map(|fault| (fault.id, fault.clone())));
        self.tickets
            .extend(effects.tickets.iter().map(|ticket| (ticket.id, ticket.clone())));
        for ticket in &effects.tickets {
            assert_eq!(self.entries[&ticket.id], ticket.entry_count);
        }
        for page in &effects.pages {
            assert!(
                self.keys.insert(page.key.clone()),
                "the key {} was used before",
                page.key
            );
            self.pages.insert(page.id, page.clone());
        }
        for id in &effects.withdrawn {
            let page = self.pages.get_mut(id).expect("only what was written is withdrawn");
            page.state = PageState::Withdrawn;
        }
        let quiet = &effects.quiet;
        self.planned
            .extend(quiet.planned.iter().map(|row| (row.id, row.clone())));
        self.withheld
            .extend(quiet.withheld.iter().map(|row| (row.alert, row.clone())));
        self.storms
            .extend(quiet.storms.iter().map(|row| (row.fault, row.clone())));
        self.budgets
            .extend(quiet.budgets.iter().map(|row| (row.person, row.clone())));
        self.check_all();
        self.check_withheld();
    }

    /// No alert is lost: each that holds and asks for a ticket has one, or stands among those that are withheld.
    fn check_withheld(&self) {
        for withheld in self.withheld.values() {
            let alert = &self.alerts[&withheld.alert];
            assert_eq!(withheld.ended_at.is_some(), withheld.outcome.is_some());
            if withheld.ended_at.is_none() {
                assert_eq!(alert.state, AlertState::Raised, "what cleared is no longer withheld");
            }
        }
        for alert in self.alerts.values().filter(|alert| alert.state == AlertState::Raised) {
            let withheld = self
                .withheld
                .get(&alert.id)
                .is_some_and(|withheld| withheld.ended_at.is_none());
            if alert.response == Response::Ticket {
                assert!(alert.fault.is_some() || withheld, "lost: {alert:#?}");
            }
        }
    }

    fn check_ticket(&self, ticket: &Ticket, effects: &Effects, now: Timestamp) {
        let before = self.tickets.get(&ticket.id);
        assert_eq!(
            ticket.revision,
            before.map_or(0, |before| before.revision) + 1,
            "one step, one revision"
        );
        assert_eq!(ticket.updated_at, now);
        let mut state = before.map(|before| (before.state, before.prior_state));
        let mut waited_from = before.and_then(|before| before.reckoning.waited_from);
        for entry in effects.entries.iter().filter(|entry| entry.ticket == ticket.id) {
            match (state, ActionKind::parse(&entry.action)) {
                (None, _) => {
                    assert_eq!((entry.action.as_str(), entry.to), ("open", Some(TicketState::Open)));
                    state = Some((TicketState::Open, None));
                }
                (Some((from, prior)), Some(kind)) => {
                    let (to, kept) = life::next(from, prior, kind).expect("by the table");
                    let kept = match (from, to) {
                        (TicketState::Restored, TicketState::Waiting) => waited_from.take(),
                        _ => kept,
                    };
                    if from == TicketState::Waiting && to == TicketState::Restored {
                        waited_from = prior;
                    }
                    state = Some((to, kept));
                }
                (Some(_), None) => assert_eq!(entry.to, None),
            }
        }
        assert_eq!(
            state,
            Some((ticket.state, ticket.prior_state)),
            "only what the timeline says has happened"
        );
        let places = |ticket: &Ticket| -> Vec<_> {
            let timings = ticket.reckoning.timings.iter();
            timings.map(|timing| (timing.rung, timing.clock)).collect()
        };
        for (place, clock) in before
            .iter()
            .flat_map(|before| places(before).into_iter().zip(&before.clocks))
        {
            let found = places(ticket).into_iter().position(|other| other == place);
            let after = &ticket.clocks[found.expect("clocks do not vanish")];
            assert_eq!((after.started_at, after.due_at), (clock.started_at, clock.due_at));
            assert!(
                clock.breached_at.is_none() || after.breached_at == clock.breached_at,
                "a breach stays"
            );
        }
    }

    fn check_all(&self) {
        let mut live = BTreeSet::new();
        for ticket in self.tickets.values() {
            let fault = &self.faults[&ticket.fault.unwrap()];
            let respond = ticket
                .clock(ClockKind::Respond)
                .expect("every level promises a response");
            match ticket.state {
                TicketState::Open => {
                    assert!(respond.stopped_at.is_none() && fault.accepted_at.is_none());
                }
                TicketState::Accepted | TicketState::OnSite | TicketState::Waiting => {
                    assert!(respond.stopped_at.is_some() && fault.accepted_at.is_some());
                    assert!(ticket.assignee.is_some());
                }
                TicketState::Restored | TicketState::Resolved => {
                    assert!(respond.stopped_at.is_some());
                }
                _ => assert!(ticket.clocks.iter().all(|clock| clock.stopped_at.is_some())),
            }
            let shown = self.alerts.values().find(|alert| alert.fault == ticket.fault);
            if let Some(alert) = shown.filter(|_| ticket.state.is_live()) {
                let key = (
                    alert.host,
                    &alert.rule,
                    &alert.instance,
                    ticket.kind == TicketKind::Drill,
                );
                assert!(live.insert(key), "two live tickets for one thing");
            }
        }
        for page in self.pages.values().filter(|page| page.state == PageState::Queued) {
            let Some(ticket) = page.ticket.map(|id| &self.tickets[&id]) else {
                continue;
            };
            assert!(ticket.state.is_live(), "no page waits for a ticket that is done with");
            if matches!(page.reason, PageReason::Unaccepted) {
                assert_eq!(
                    ticket.state,
                    TicketState::Open,
                    "nobody is asked to accept what is accepted"
                );
            }
        }
    }

    /// As a ledger would load it.
    fn open_work(&self) -> OpenWork {
        let live = |fault: &Fault| fault.ticket.is_some_and(|ticket| self.tickets[&ticket].state.is_live());
        let held = |alert: &&Alert| {
            alert.state == AlertState::Raised || alert.fault.is_some_and(|fault| live(&self.faults[&fault]))
        };
        OpenWork {
            alerts: self.alerts.values().filter(held).cloned().collect(),
            faults: self
                .faults
                .values()
                .filter(|fault| fault.cleared_at.is_none() || live(fault))
                .cloned()
                .collect(),
            tickets: self
                .tickets
                .values()
                .filter(|ticket| ticket.state.is_live())
                .cloned()
                .collect(),
            pages: self
                .pages
                .values()
                .filter(|page| page.state == PageState::Queued)
                .cloned()
                .collect(),
            chains: Vec::new(),
            last_number: self.tickets.values().map(|ticket| ticket.number).max().unwrap_or(0),
            quiet: QuietRows {
                planned: self
                    .planned
                    .values()
                    .filter(|row| row.ended_at.is_none())
                    .cloned()
                    .collect(),
                withheld: self
                    .withheld
                    .values()
                    .filter(|row| row.ended_at.is_none())
                    .cloned()
                    .collect(),
                storms: self
                    .storms
                    .values()
                    .filter(|storm| live(&self.faults[&storm.fault]))
                    .cloned()
                    .collect(),
                budgets: self.budgets.values().cloned().collect(),
            },
        }
    }
}

/// One thing that may happen; numbers stand for which host, rule, person and ticket.
#[derive(Debug, Clone)]
enum Happening {
    Turns(Vec<(u8, u8, u8, bool)>),
    Act(u8, u8, u8),
    Report(u8),
    Timer,
    Duty(u8),
    Plan(u8, u8, u64),
    EndPlan(u8),
}

fn happening() -> impl Strategy<Value = (u64, Happening)> {
    let turn = (0..3_u8, 1..4_u8, 0..3_u8, prop::bool::weighted(0.1));
    let what = prop_oneof![
        4 => prop::collection::vec(turn, 1..4).prop_map(Happening::Turns),
        6 => (0..8_u8, 1..4_u8, 0..11_u8).prop_map(|(ticket, who, action)| Happening::Act(ticket, who, action)),
        1 => (1..4_u8).prop_map(Happening::Report),
        3 => Just(Happening::Timer),
        1 => (0..3_u8).prop_map(Happening::Duty),
        2 => (0..3_u8, 0..4_u8, 1..4_000_000_u64).prop_map(|(kind, scope, millis)| Happening::Plan(kind, scope, millis)),
        1 => (0..4_u8).prop_map(Happening::EndPlan),
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
        4 => Action::Wait {
            reason: words(),
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
                .map(|&(turn, host, rule, drill)| {
                    let turn = [Turn::Raised, Turn::Updated, Turn::Cleared][usize::from(turn)];
                    let mut change = alert(turn, host, ["disk", "load", "trend"][usize::from(rule)]);
                    change.response = [Response::Ticket, Response::Ticket, Response::Notify][usize::from(rule)];
                    change.occurred_at = now;
                    change.drill = drill;
                    change
                })
                .collect(),
        ),
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
            title: "it smells".to_owned(),
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_desk_keeps_its_promises(
        happenings in prop::collection::vec(happening(), 1..60),
        seed: u64,
    ) {
        let mut rows = Rows::default();
        let mut now = Timestamp::from_millis(1_000_000);
        let mut desk = Desk::new(Policy::basic(), IdSource::new(seed), OpenWork::default(), vec![on_duty(1)]);
        furnish(&mut desk);
        for (millis, happening) in &happenings {
            now = now.plus(Duration::from_millis(*millis));
            let Some(input) = input(&desk, happening, now) else { continue };
            let mut rebuilt = Desk::new(Policy::basic(), desk.ids.clone(), rows.open_work(), desk.duty.clone());
            furnish(&mut rebuilt);
            prop_assert_eq!(rebuilt.next_due(), desk.next_due());
            let mut told = desk.step(input.clone(), now);
            let mut retold = rebuilt.step(input, now);
            for effects in [&mut told, &mut retold].into_iter().flatten() {
                effects.withdrawn.sort_unstable();
            }
            prop_assert_eq!(&told, &retold, "a desk rebuilt from the ledger goes on in the same way");
            if let Ok(effects) = told {
                rows.write(&effects, now);
            }
            prop_assert_eq!(sorted(desk.open_work()), sorted(rebuilt.open_work()));
            desk.step(Input::Timer, now).map(|effects| rows.write(&effects, now)).unwrap();
            prop_assert!(desk.next_due().is_none_or(|due| due > now), "the timer leaves nothing due behind");
        }
        let left: Vec<PlannedId> = desk.planned().map(|planned| planned.id).collect();
        for id in left {
            let end = Input::Plan(PlanChange::End { id, by: "wang".to_owned() });
            desk.step(end, now).map(|effects| rows.write(&effects, now)).unwrap();
        }
        now = now.plus(Duration::from_secs(3_600));
        desk.step(Input::Timer, now).map(|effects| rows.write(&effects, now)).unwrap();
        for withheld in rows.withheld.values().filter(|withheld| withheld.ended_at.is_none()) {
            prop_assert!(matches!(withheld.cause, Cause::Parent | Cause::Part), "only what explains it keeps it: {withheld:?}");
            let explaining = &rows.alerts[&withheld.by.parse().unwrap()];
            prop_assert_eq!(explaining.state, AlertState::Raised);
        }
    }
}
