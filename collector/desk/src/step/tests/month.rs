//! A month of faults under every policy, against a model that knows no calendar, no search and no reckoning: it walks
//! from minute to minute and counts on its fingers.

use super::*;
use crate::{
    calendar::{Calendars, TimeBase},
    clocks::{Book, ContractTerms},
    input::{Amend, Amendment},
    model::ClockKind,
    policy::{ClockStart, HoursOf, Intake, Phase, Situation, Target, Within},
};
use tocsin_vocabulary::Level;

/// 2026-02-02T00:00:00+08:00, a Monday; the spring festival and two make-up Saturdays follow.
const FIRST: i64 = 1_769_961_600_000;
/// Faults begin within so many minutes, and are watched for so many.
const MONTH: u64 = 26 * 1440;
const WATCHED: u64 = 12 * 1440;

fn instant(minute: u64) -> Timestamp {
    Timestamp::from_millis(FIRST + i64::try_from(minute).unwrap() * 60_000)
}

/// Days of February 2026 from the 2nd on, then of March: what people work.
fn is_workday(day: u64) -> bool {
    let date = day + 2;
    match date {
        14 | 28 => true,
        15..=23 => false,
        _ => day % 7 < 5,
    }
}

fn is_open(calendar: &str, minute: u64) -> bool {
    let office = (540..1020).contains(&(minute % 1440));
    match calendar {
        "7x24" => true,
        "7x8" => office,
        "5x8" => office && is_workday(minute / 1440),
        other => panic!("no fingers for {other}"),
    }
}

/// What happens to one fault, in minutes after its report; what is missing never happens.
#[derive(Debug, Clone, Default)]
struct Plan {
    report: u64,
    severity: usize,
    importance: usize,
    accept: Option<u64>,
    wait: Option<(u64, u64)>,
    arrive: Option<u64>,
    restore: Option<u64>,
    resolve: Option<u64>,
    /// The duty engineer calls for a specialist; the repair plan is entered; both sides agree not to raise.
    give_up: Option<u64>,
    plan: Option<u64>,
    waive: Option<u64>,
}

/// One clock on the fingers.
#[derive(Debug, Clone)]
struct Finger {
    kind: ClockKind,
    base: TimeBase,
    calendar: String,
    target: u64,
    counted: u64,
    /// Restoring waits for the arrival.
    begun: bool,
    /// Natural time has seen the calendar open.
    opened: bool,
    stopped: bool,
    /// Promises of levels before, which are not to be exceeded.
    bounds: Vec<Self>,
}

impl Finger {
    /// Natural time runs from the first open minute on, also when that lies in a pause.
    fn look(&mut self, minute: u64) {
        self.opened |= self.begun && is_open(&self.calendar, minute);
        for bound in &mut self.bounds {
            bound.look(minute);
        }
    }

    fn tick(&mut self, minute: u64) {
        let open = is_open(&self.calendar, minute);
        for bound in &mut self.bounds {
            bound.tick(minute);
        }
        if !self.begun {
            return;
        }
        self.counted += u64::from(match self.base {
            TimeBase::Natural => self.opened,
            TimeBase::Business => open,
        });
    }

    fn is_over(&self) -> bool {
        self.counted >= self.target || self.bounds.iter().any(Self::is_over)
    }
}

/// The model's whole state for one fault.
struct Model<'a> {
    policy: &'a Policy,
    grade: &'a str,
    calendar: &'a str,
    importance: Importance,
    hours: HoursOf,
    level: Level,
    accepted: Option<u64>,
    on_site: bool,
    restored: bool,
    resolved: bool,
    given_up: bool,
    planned: bool,
    waived: bool,
    clocks: Vec<Finger>,
    breaches: Vec<(ClockKind, u64)>,
}

impl Model<'_> {
    fn cell(&self, kind: ClockKind) -> Option<&Target> {
        let situation = Situation {
            grade: self.grade,
            intake: Intake::Alert,
            phase: Phase::Within,
            importance: self.importance,
            hours: self.hours,
        };
        self.policy.target(self.level, kind, &situation)
    }

    fn wanted(&self, kind: ClockKind) -> bool {
        let done = self.restored || self.resolved;
        match kind {
            ClockKind::Respond => self.accepted.is_none() && !done,
            ClockKind::Arrive => !self.on_site && !done,
            ClockKind::Plan => !self.planned && !done,
            ClockKind::Restore => !done,
            ClockKind::Recover => !self.restored && !self.resolved,
            ClockKind::Resolve => !self.resolved,
        }
    }

    /// Whether the arrival is over: nobody has to come, somebody came, or it was due.
    fn arrival_is_over(&self) -> bool {
        let mut arrivals = self.clocks.iter().filter(|clock| clock.kind == ClockKind::Arrive);
        arrivals.all(|arrive| arrive.stopped || arrive.is_over())
    }

    /// Promises that stand from this minute on and did not before, with those of the level before as their bounds.
    fn promise(&mut self, minute: u64, bounds: &[Finger]) {
        for kind in ClockKind::ALL {
            let Some(cell) = self.cell(kind).cloned() else { continue };
            let stands = match cell.start {
                ClockStart::Reported | ClockStart::Occurred | ClockStart::Discovered => true,
                ClockStart::Accepted | ClockStart::OnSite => self.accepted.is_some(),
                ClockStart::GivenUp => self.given_up,
            };
            if self.clocks.iter().any(|clock| clock.kind == kind) || !stands || !self.wanted(kind) {
                continue;
            }
            let calendar = cell.calendar.clone().unwrap_or_else(|| self.calendar.to_owned());
            let (base, target) = length(&cell, &calendar, minute);
            self.clocks.push(Finger {
                kind,
                base,
                calendar,
                target,
                counted: 0,
                begun: cell.start != ClockStart::OnSite,
                opened: false,
                stopped: false,
                bounds: bounds.iter().filter(|bound| bound.kind == kind).cloned().collect(),
            });
        }
        self.notice_arrival();
    }

    /// Restoring begins with the arrival.
    fn notice_arrival(&mut self) {
        if self.clocks.iter().any(|clock| !clock.begun) && self.arrival_is_over() {
            self.clocks.iter_mut().for_each(|clock| clock.begun = true);
        }
    }

    fn stop_unwanted(&mut self) {
        let unwanted: Vec<_> = ClockKind::ALL.into_iter().filter(|kind| !self.wanted(*kind)).collect();
        for clock in &mut self.clocks {
            clock.stopped |= unwanted.contains(&clock.kind);
        }
    }

    /// Breaches of this minute; each raises one level, unless both sides agreed not to.
    fn breach(&mut self, minute: u64) {
        let over: Vec<_> = self
            .clocks
            .iter()
            .filter(|clock| !clock.stopped && clock.is_over())
            .map(|clock| clock.kind)
            .collect();
        for clock in &mut self.clocks {
            clock.stopped |= over.contains(&clock.kind);
        }
        self.breaches.extend(over.iter().map(|kind| (*kind, minute)));
        for _ in over {
            if let Some(level) = Policy::raised(self.level).filter(|_| !self.waived) {
                self.level = level;
                let old: Vec<Finger> = std::mem::take(&mut self.clocks);
                let bounds: Vec<Finger> = old.into_iter().filter(|clock| !clock.stopped).collect();
                self.promise(minute, &bounds);
            }
        }
    }
}

/// How long a cell is, in minutes of its base.
fn length(cell: &Target, calendar: &str, minute: u64) -> (TimeBase, u64) {
    match cell.within {
        Within::Time(time) => (cell.time_base, time.as_secs() / 60),
        Within::WorkingDays(days) => {
            let day = if calendar == "7x24" { 1440 } else { 480 };
            (TimeBase::Business, day * u64::from(days))
        }
        Within::NextDay => {
            let accepted = (minute..).find(|&minute| is_open(calendar, minute)).unwrap();
            let tomorrow = accepted / 1440 + 1;
            let next = (tomorrow * 1440..).find(|&minute| is_open(calendar, minute)).unwrap() / 1440;
            let open = (minute..(next + 1) * 1440)
                .filter(|&minute| is_open(calendar, minute))
                .count();
            (TimeBase::Business, open as u64)
        }
    }
}

/// What the model says was missed: which clock, and in which minute.
fn by_hand(policy: &Policy, grade: &str, calendar: &str, plan: &Plan) -> Vec<(ClockKind, u64)> {
    let severity = Severity::ALL[plan.severity];
    let importance = Importance::ALL[plan.importance];
    let mut model = Model {
        policy,
        grade,
        calendar,
        importance,
        hours: if is_open("5x8", plan.report) {
            HoursOf::Open
        } else {
            HoursOf::Closed
        },
        level: policy.level(severity, importance),
        accepted: None,
        on_site: false,
        restored: false,
        resolved: false,
        given_up: false,
        planned: false,
        waived: false,
        clocks: Vec::new(),
        breaches: Vec::new(),
    };
    let mut waiting = false;
    model.promise(plan.report, &[]);
    for minute in plan.report..plan.report + WATCHED {
        let passed = minute - plan.report;
        if !waiting {
            model.breach(minute);
        }
        if plan.accept == Some(passed) {
            model.accepted = Some(minute);
        }
        if plan.arrive == Some(passed) {
            model.on_site = true;
        }
        if plan.restore == Some(passed) {
            (model.restored, waiting) = (true, false);
        }
        if plan.resolve == Some(passed) {
            model.resolved = true;
        }
        model.given_up |= plan.give_up == Some(passed);
        model.planned |= plan.plan == Some(passed);
        model.waived |= plan.waive == Some(passed);
        match plan.wait {
            Some((from, _)) if from == passed => waiting = true,
            Some((_, to)) if to == passed => waiting = false,
            _ => {}
        }
        let moments = [
            plan.accept,
            plan.arrive,
            plan.restore,
            plan.resolve,
            plan.give_up,
            plan.plan,
        ];
        let happened = moments.contains(&Some(passed));
        if happened {
            model.stop_unwanted();
            model.promise(minute, &[]);
        }
        model.notice_arrival();
        for clock in model.clocks.iter_mut().filter(|clock| !clock.stopped) {
            clock.look(minute);
            if !waiting {
                clock.tick(minute);
            }
        }
    }
    model.breaches.sort_unstable();
    model.breaches
}

/// What the desk says was missed.
fn by_desk(book: &Book, plan: &Plan) -> Vec<(ClockKind, u64)> {
    let mut desk = Desk::new(book.clone(), IdSource::new(1), OpenWork::default(), Vec::new());
    let mut breaches = Vec::new();
    let mut note = |effects: &Effects| {
        for (_, fired, _) in effects.fired.iter().filter(|(_, fired, _)| fired.percent == 100) {
            let ticket = &effects.tickets[0];
            let place = ticket
                .reckoning
                .timings
                .iter()
                .position(|timing| (timing.clock, timing.rung) == (fired.clock, fired.rung))
                .unwrap();
            let at = ticket.clocks[place].breached_at.unwrap();
            breaches.push((fired.clock, u64::try_from((at.as_millis() - FIRST) / 60_000).unwrap()));
        }
    };
    let mut change = alert(Turn::Raised, 1, "disk");
    change.severity = Severity::ALL[plan.severity];
    change.asset.importance = Importance::ALL[plan.importance];
    change.occurred_at = instant(plan.report);
    note(
        &desk
            .step(Input::Alerts(vec![change.clone()]), instant(plan.report))
            .unwrap(),
    );
    let id = desk.ticket_by_number(1).unwrap().id;
    let wait = Action::Wait {
        reason: "customer".to_owned(),
        until: None,
    };
    change.turn = Turn::Cleared;
    let words = || "because".to_owned();
    let amend = |ticket, amendment| {
        Input::Amend(Amend {
            ticket,
            actor: Actor::Person(person(1), "person 1".to_owned()),
            via: Via::Console,
            amendment,
            revision: None,
        })
    };
    let (from, to) = plan.wait.unzip();
    let mut happenings: Vec<(u64, Input)> = [
        (plan.accept, act(id, 1, Action::Accept)),
        (plan.arrive, act(id, 1, Action::Arrive)),
        (from, act(id, 1, wait)),
        (to, act(id, 1, Action::Resume)),
        (plan.restore, Input::Alerts(vec![change])),
        (plan.resolve, act(id, 1, resolve())),
        (plan.give_up, amend(id, Amendment::GiveUp { reason: words() })),
        (plan.plan, amend(id, Amendment::Plan { text: words() })),
        (plan.waive, amend(id, Amendment::Waive { reason: words() })),
    ]
    .into_iter()
    .filter_map(|(at, input)| Some((plan.report + at?, input)))
    .collect();
    happenings.push((plan.report + WATCHED - 1, Input::Timer));
    happenings.sort_by_key(|(minute, _)| *minute);
    for (minute, input) in happenings {
        while let Some(due) = desk.next_due().filter(|due| *due <= instant(minute)) {
            note(&desk.step(Input::Timer, due).unwrap());
        }
        note(&desk.step(input, instant(minute)).unwrap());
    }
    breaches.sort_unstable();
    breaches
}

/// Numbers from a seed: SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    /// Mostly soon, sometimes after days.
    fn span(&mut self) -> u64 {
        let longest = [30, 300, 3_000][usize::try_from(self.below(3)).unwrap()];
        1 + self.below(longest)
    }

    fn plan(&mut self) -> Plan {
        let mut plan = Plan {
            report: self.below(MONTH),
            severity: usize::try_from(self.below(5)).unwrap(),
            importance: usize::try_from(self.below(3)).unwrap(),
            ..Plan::default()
        };
        // Things happen in this order, and from some point on no more.
        let mut at = 0;
        let mut steps = self.below(6);
        let mut next = |random: &mut Self, at: &mut u64| {
            let happens = steps > 0;
            steps = steps.saturating_sub(1);
            *at += random.span();
            (happens && *at < WATCHED - 1).then_some(*at)
        };
        plan.accept = next(self, &mut at);
        if plan.accept.is_some() && self.below(2) == 0 {
            plan.arrive = next(self, &mut at);
        }
        if plan.accept.is_some() && self.below(2) == 0 {
            let from = next(self, &mut at);
            let to = next(self, &mut at);
            plan.wait = from.zip(to);
        }
        plan.restore = next(self, &mut at);
        if plan.restore.is_some() {
            plan.resolve = next(self, &mut at);
        }
        let mut some_time_after = |from: u64, of: u64| {
            let at = from + self.span();
            (self.below(of) == 0 && at < WATCHED - 1).then_some(at)
        };
        if let Some(accept) = plan.accept {
            plan.give_up = some_time_after(accept, 3);
            plan.plan = some_time_after(accept, 3);
        }
        plan.waive = some_time_after(0, 8);
        plan
    }
}

#[test]
fn a_month_of_faults_misses_what_a_count_on_fingers_says_under_every_policy() {
    let mut random = Random(20_260_202);
    let mut missed = 0;
    for policy in Policy::shipped() {
        let grades: Vec<&str> = if policy.grades.is_empty() {
            vec![""]
        } else {
            vec!["A", "B", "C"]
        };
        for grade in grades {
            for hours in ["7x24", "7x8", "5x8"] {
                let terms = ContractTerms {
                    policy: policy.name.clone(),
                    grade: grade.to_owned(),
                    service_hours: hours.to_owned(),
                    warranty_until: None,
                };
                let contracts = BTreeMap::from([(asset(1).contract, terms)]);
                let book = Book::new(Policy::basic(), Policy::shipped(), Calendars::built_in(), contracts);
                for _ in 0..25 {
                    let plan = random.plan();
                    let expected = by_hand(&policy, grade, hours, &plan);
                    let found = by_desk(&book, &plan);
                    assert_eq!(found, expected, "{} {grade} {hours} {plan:?}", policy.name);
                    missed += found.len();
                }
            }
        }
    }
    assert!(
        missed > 500,
        "a month in which hardly anything is missed shows nothing: {missed}"
    );
}
