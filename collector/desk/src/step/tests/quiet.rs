//! Stories of what is told later, together, or as a part of something greater.

use super::{stories::Story, *};
use crate::{
    input::PlanChange,
    model::TicketState,
    planned::{NewPlanned, PlannedKind, Repeat, Scope, Span},
    topology::{Place, Relations},
    withheld::{Cause, Outcome},
};
use tocsin_vocabulary::{Level, time::HumanDuration};

fn place(n: u8, parent: Option<u8>) -> Place {
    Place {
        asset: asset(n).asset,
        host: Some(host(n)),
        name: format!("web-{n}"),
        customer: asset(n).customer,
        site: asset(n).site,
        site_name: "A".to_owned(),
        tags: Vec::new(),
        parent: parent.map(|n| asset(n).asset),
    }
}

fn planned(kind: PlannedKind, scope: Scope, from: Timestamp, lasting: Duration) -> Input {
    Input::Plan(PlanChange::Add(Box::new(NewPlanned {
        kind,
        scope,
        span: Span::once(from, from.plus(lasting)),
        reason: "new controller".to_owned(),
        owner: Some(person(9)),
        made_by: "wang".to_owned(),
    })))
}

fn of_host(n: u8) -> Scope {
    Scope {
        assets: vec![asset(n).asset],
        ..Scope::default()
    }
}

fn silence(story: &Story, lasting: Duration) -> Input {
    planned(PlannedKind::Silence, of_host(1), story.now, lasting)
}

fn raised(rule: &str, hosts: impl IntoIterator<Item = u8>) -> Input {
    Input::Alerts(hosts.into_iter().map(|n| alert(Turn::Raised, n, rule)).collect())
}

fn cleared(rule: &str, hosts: impl IntoIterator<Item = u8>) -> Input {
    Input::Alerts(hosts.into_iter().map(|n| alert(Turn::Cleared, n, rule)).collect())
}

fn causes(story: &Story) -> Vec<Cause> {
    story
        .desk
        .open_work()
        .quiet
        .withheld
        .iter()
        .map(|withheld| withheld.cause)
        .collect()
}

impl Story {
    fn silences(self, lasting: Duration) -> Self {
        let input = silence(&self, lasting);
        self.does(input)
    }

    fn ends_all(mut self) -> Self {
        let ids: Vec<_> = self.desk.planned().map(|planned| planned.id).collect();
        for id in ids {
            self = self.does(Input::Plan(PlanChange::End {
                id,
                by: "wang".to_owned(),
            }));
        }
        self
    }

    fn at_site(mut self, hosts: impl IntoIterator<Item = (u8, Option<u8>)>) -> Self {
        self.desk.survey(hosts.into_iter().map(|(n, parent)| place(n, parent)));
        self.desk.relate(Relations {
            silence: ["silent".to_owned()].into(),
            explained_by: [("mount".to_owned(), vec!["disk".to_owned()])].into(),
        });
        self
    }
}

#[test]
fn a_silenced_fault_is_recorded_and_pages_when_the_silence_ends() {
    let story = Story::begin().silences(HOUR).raise().tells(&[]).pages(&[]);
    assert_eq!(story.last.alerts.len(), 1, "it is recorded");
    assert_eq!(causes(&story), [Cause::Silence]);
    assert_eq!(story.desk.next_due(), Some(story.now.plus(HOUR)));
    let story = story.after(MINUTE).timer().silent().after(HOUR).timer();
    let story = story.is(TicketState::Open).pages(&[(PageReason::Opened, 4)]);
    assert_eq!(story.last.quiet.withheld[0].outcome, Some(Outcome::Told));
    assert_eq!(story.last.quiet.planned[0].ended_by.as_deref(), Some("system"));
    story.raise().silent();
}

#[test]
fn a_silence_that_is_ended_early_pages_at_once() {
    let story = Story::begin().silences(HOUR).raise().after(MINUTE).ends_all();
    let story = story.pages(&[(PageReason::Opened, 4)]);
    assert_eq!(story.last.quiet.planned[0].ended_by.as_deref(), Some("wang"));
}

#[test]
fn what_cleared_under_a_silence_pages_nobody() {
    let story = Story::begin().silences(HOUR).raise().after(MINUTE).clear().pages(&[]);
    assert_eq!(story.last.quiet.withheld[0].outcome, Some(Outcome::Cleared));
    story.after(HOUR).timer().pages(&[]);
}

#[test]
fn a_silence_of_another_thing_changes_nothing() {
    let scope = Scope {
        rules: vec!["load*".to_owned()],
        ..of_host(1)
    };
    let story = Story::begin();
    let input = planned(PlannedKind::Silence, scope, story.now, HOUR);
    story.does(input).raise().pages(&[(PageReason::Opened, 4)]);
}

#[test]
fn rounds_of_a_ticket_stop_while_it_is_silenced_and_go_on_after() {
    let story = Story::begin().raise().silences(HOUR).after(6 * MINUTE).timer();
    let story = story.tells(&["page_withheld"]).pages(&[]);
    let story = story
        .after(30 * MINUTE)
        .ends_all()
        .pages(&[(PageReason::Unaccepted, 4)]);
    story.after(6 * MINUTE).timer().pages(&[(PageReason::Unaccepted, 4)]);
}

#[test]
fn a_drill_is_never_silenced() {
    let mut drill = alert(Turn::Raised, 1, "disk");
    drill.drill = true;
    let story = Story::begin().silences(HOUR).does(Input::Alerts(vec![drill]));
    story.pages(&[(PageReason::Opened, 4)]);
}

#[test]
fn a_return_is_not_told_while_it_is_silenced_and_is_told_after() {
    let story = Story::begin()
        .raise()
        .person_does(1, Action::Accept)
        .after(MINUTE)
        .clear();
    let story = story
        .after(10 * MINUTE)
        .silences(HOUR)
        .raise()
        .is(TicketState::Accepted)
        .pages(&[]);
    let story = story.after(30 * MINUTE).timer().pages(&[]);
    story
        .after(30 * MINUTE)
        .timer()
        .pages(&[(PageReason::Warned, 2), (PageReason::Recurred, 2)]);
}

#[test]
fn a_plan_without_reason_end_scope_or_owner_is_refused_with_all_mistakes() {
    let story = Story::begin();
    let new = NewPlanned {
        kind: PlannedKind::Window,
        scope: Scope::default(),
        span: Span {
            from: story.now,
            to: None,
            repeats: None,
        },
        reason: " ".to_owned(),
        owner: None,
        made_by: "wang".to_owned(),
    };
    let mut desk = story.desk;
    let refusal = desk
        .step(Input::Plan(PlanChange::Add(Box::new(new))), story.now)
        .unwrap_err();
    assert_eq!(refusal.code, Code::InvalidInput);
    for part in ["concerns nothing", "no end", "needs a reason", "needs an owner"] {
        assert!(refusal.reason.contains(part), "{part}: {refusal}");
    }
    assert_eq!(desk.planned().count(), 0);
}

#[test]
fn a_window_that_overruns_pages_its_owner_beside_those_on_duty() {
    let story = Story::begin();
    let input = planned(PlannedKind::Window, of_host(1), story.now, HOUR);
    let story = story.does(input).raise().pages(&[]).after(HOUR).timer();
    assert_eq!(story.last.tickets.len(), 1);
    let owner: Vec<_> = story
        .last
        .pages
        .iter()
        .filter(|page| page.person == person(9))
        .collect();
    assert_eq!(owner.len(), 1);
    assert!(
        owner[0].title.en.contains("overran: new controller"),
        "{}",
        owner[0].title.en
    );
    story.pages(&[(PageReason::Notice, 1), (PageReason::Opened, 4)]);
}

#[test]
fn a_window_that_repeats_covers_each_night_and_nothing_between() {
    let story = Story::begin(); // 1970-01-01T00:16:40Z
    let input = Input::Plan(PlanChange::Add(Box::new(NewPlanned {
        kind: PlannedKind::Window,
        scope: of_host(1),
        span: Span {
            from: story.now,
            to: None,
            repeats: Some(Repeat {
                every: "daily".parse().unwrap(),
                at: "02:00".to_owned(),
                lasting: HumanDuration(HOUR),
                zone: "UTC".to_owned(),
            }),
        },
        reason: "nightly batch".to_owned(),
        owner: Some(person(9)),
        made_by: "wang".to_owned(),
    })));
    let story = story
        .does(input)
        .after(110 * MINUTE)
        .raise()
        .pages(&[])
        .after(MINUTE)
        .clear();
    let story = story.after(HOUR).timer().pages(&[]);
    assert_eq!(story.desk.planned().count(), 1, "it comes again");
    let story = story.raise().pages(&[(PageReason::Opened, 4)]).after(MINUTE).clear();
    let story = story
        .after(22 * HOUR + 55 * MINUTE)
        .timer()
        .does(raised("load", [1]))
        .pages(&[]);
    story
        .after(HOUR)
        .timer()
        .pages(&[(PageReason::Notice, 1), (PageReason::Opened, 4)]);
}

#[test]
fn what_hangs_on_a_host_that_is_down_is_recorded_and_pages_when_only_that_one_comes_back() {
    let story = Story::begin().at_site([(1, Some(2)), (2, None)]);
    let story = story.does(raised("silent", [2])).pages(&[(PageReason::Opened, 4)]);
    let fault = story.last.faults[0].id;
    let story = story.after(MINUTE).does(raised("silent", [1])).pages(&[]);
    assert_eq!(
        story.last.quiet.withheld[0].fault,
        Some(fault),
        "it is linked to what explains it"
    );
    assert_eq!(causes(&story), [Cause::Parent]);
    let story = story.after(MINUTE).does(cleared("silent", [2]));
    story.pages(&[(PageReason::Restored, 4), (PageReason::Opened, 4)]);
}

#[test]
fn a_child_that_is_missed_first_waits_for_its_parent_and_pages_when_that_one_is_well() {
    let story = Story::begin().at_site([(1, Some(2)), (2, None)]);
    let story = story
        .does(raised("silent", [1]))
        .pages(&[])
        .after(Duration::from_secs(3));
    let story = story.does(raised("silent", [2])).pages(&[(PageReason::Opened, 4)]);
    let story = story.after(MINUTE).timer().pages(&[]);
    assert!(story.last.quiet.withheld[0].fault.is_some());

    let alone = Story::begin()
        .at_site([(1, Some(2)), (2, None)])
        .does(raised("silent", [1]));
    alone
        .after(Duration::from_secs(15))
        .timer()
        .pages(&[(PageReason::Opened, 4)]);
}

#[test]
fn what_a_silenced_parent_explains_is_linked_to_the_fault_it_becomes() {
    let story = Story::begin().at_site([(1, Some(2)), (2, None)]);
    let input = planned(PlannedKind::Silence, of_host(2), story.now, HOUR);
    let story = story.does(input).does(raised("silent", [1, 2])).pages(&[]);
    let story = story.after(MINUTE).timer().after(MINUTE).ends_all();
    let fault = story.ticket().fault;
    assert!(fault.is_some());
    let withheld = story.desk.open_work().quiet.withheld;
    assert_eq!((withheld.len(), withheld[0].fault), (1, fault));
}

#[test]
fn a_mount_is_explained_by_its_own_disk_only() {
    let on = |rule: &str, instance: &str| {
        let mut change = alert(Turn::Raised, 1, rule);
        change.instance = instance.to_owned();
        Input::Alerts(vec![change])
    };
    let story = Story::begin().at_site([(1, None)]).does(on("disk", "device=sda"));
    let story = story.does(on("mount", "device=sda1")).pages(&[]);
    assert_eq!(causes(&story), [Cause::Part]);
    story.does(on("mount", "device=sdb1")).pages(&[(PageReason::Opened, 4)]);
}

#[test]
fn a_site_that_is_lost_in_one_moment_is_one_fault() {
    let story = Story::begin()
        .at_site((1..=20).map(|n| (n, None)))
        .does(raised("silent", 1..=20));
    let story = story
        .pages(&[(PageReason::Opened, 4)])
        .tells(&["open", "page", "storm"]);
    assert_eq!((story.last.alerts.len(), story.last.tickets.len()), (20, 1));
    assert_eq!(story.ticket().asset_name, "A");
    assert!(
        story.ticket().title.en.starts_with("A: 20 hosts at once"),
        "{}",
        story.ticket().title.en
    );
    assert!(
        story
            .last
            .alerts
            .iter()
            .all(|alert| alert.fault == story.ticket().fault)
    );
    let story = story
        .after(MINUTE)
        .does(cleared("silent", 1..=19))
        .tells(&["storm"])
        .pages(&[]);
    let story = story.is(TicketState::Open).after(MINUTE).does(cleared("silent", [20]));
    let story = story.is(TicketState::Restored).pages(&[(PageReason::Restored, 4)]);
    story
        .after(30 * MINUTE)
        .does(raised("silent", 1..=20))
        .is(TicketState::Open)
        .pages(&[(PageReason::Recurred, 4)]);
}

#[test]
fn a_site_that_is_lost_host_by_host_has_few_tickets() {
    let mut story = Story::begin().at_site((1..=20).map(|n| (n, None)));
    let mut pages = 0;
    for n in 1..=20 {
        story = story.does(raised("silent", [n])).after(Duration::from_millis(300));
        pages += story.last.pages.len();
    }
    assert_eq!(
        story.desk.open_work().tickets.len(),
        3,
        "two told at once, and the storm"
    );
    assert_eq!(pages, 3 * 4);
    assert!(causes(&story).is_empty(), "those that waited joined it");
}

#[test]
fn hosts_of_a_large_site_that_fail_one_by_one_are_told_at_once() {
    let mut story = Story::begin().at_site((1..=200).map(|n| (n, None)));
    for n in 1..=8 {
        story = story.does(raised("silent", [n])).pages(&[(PageReason::Opened, 4)]);
        story = story.after(Duration::from_secs(2));
    }
    // Now it is lost, host by host; what was told before does not count for the pace.
    let mut pages = 0;
    for n in 9..=100 {
        story = story.does(raised("silent", [n])).after(Duration::from_millis(30));
        pages += story.last.pages.len();
    }
    assert!(
        pages <= 3 * 4,
        "two at most are told before it shows, and the storm: {pages}"
    );
}

#[test]
fn hosts_in_a_maintenance_window_make_no_storm_of_the_rest() {
    let story = Story::begin().at_site((1..=20).map(|n| (n, None)));
    let scope = Scope {
        assets: (1..=17).map(|n| asset(n).asset).collect(),
        ..Scope::default()
    };
    let input = planned(PlannedKind::Window, scope, story.now, HOUR);
    let story = story.does(input).does(raised("silent", 1..=20));
    assert_eq!(story.last.alerts.len(), 20, "all are recorded");
    assert_eq!(
        story.last.tickets.len(),
        2,
        "two are told at once, and the third waits whether it is a storm"
    );
    let story = story
        .after(Duration::from_secs(10))
        .timer()
        .pages(&[(PageReason::Opened, 4)]);
    let story = story.after(HOUR).timer();
    let opened = story.last.entries.iter().filter(|entry| entry.action == "open").count();
    assert_eq!(
        opened, 1,
        "what is left over at its end is one fault, for all of it is told at once"
    );
}

#[test]
fn what_gathers_and_becomes_no_storm_is_told_after_all() {
    let mut story = Story::begin().at_site((1..=20).map(|n| (n, None)));
    for n in 1..=4 {
        story = story.does(raised("silent", [n]));
    }
    assert_eq!(causes(&story), [Cause::Storm, Cause::Storm]);
    let story = story.after(Duration::from_secs(10)).timer();
    assert_eq!(story.desk.open_work().tickets.len(), 4);
    story.pages(&[(PageReason::Opened, 8)]);
}

#[test]
fn beyond_a_minutes_pages_the_rest_comes_in_one_and_the_worst_is_never_held_back() {
    let mut story = Story::with_duty(vec![on_duty(1)]);
    let many = (1..=15).map(|n| {
        let mut change = alert(Turn::Raised, n, "disk");
        if n == 15 {
            change.severity = Severity::Critical;
            change.asset.importance = Importance::Key;
        }
        change
    });
    story = story
        .does(Input::Alerts(many.collect()))
        .pages(&[(PageReason::Opened, 22)]);
    assert!(story.last.pages.iter().any(|page| page.level == Level::WORST));
    assert_eq!(story.last.tickets.len(), 15, "each has its ticket");
    let ticket = story.desk.ticket_by_number(11).unwrap().id;
    let story = story
        .does(act(ticket, 1, Action::Accept))
        .after(MINUTE)
        .timer()
        .pages(&[(PageReason::Notice, 2)]);
    let digest = &story.last.pages[0];
    assert!(digest.title.en.starts_with("3 more pages"), "{}", digest.title.en);
    assert!(
        digest.body.en.contains("#12 ") && !digest.body.en.contains("#11 "),
        "{}",
        digest.body.en
    );
    assert!(story.desk.open_work().quiet.budgets[0].held.is_empty());
}

#[test]
fn a_guarded_period_is_stricter_pages_sooner_and_also_its_owner() {
    let story = Story::begin();
    let input = planned(PlannedKind::Guard, of_host(1), story.now, HOUR);
    let story = story.does(input);
    assert!(
        story
            .last
            .pages
            .iter()
            .any(|page| page.person == person(9) && page.title.en.contains("Guarded period ahead"))
    );
    let mut notice = alert(Turn::Raised, 1, "trend");
    notice.response = Response::Notify;
    notice.severity = Severity::Minor;
    let story = story
        .does(Input::Alerts(vec![notice]))
        .is(TicketState::Open)
        .pages(&[(PageReason::Opened, 5)]);
    assert_eq!(story.ticket().severity, Severity::Major);
    assert_eq!(
        story.ticket().page_due_at,
        Some(story.now.plus(Duration::from_secs(150)))
    );
    assert_eq!(story.desk.guarded_hosts(story.now).len(), 0, "no register");
}

#[test]
fn three_days_before_a_guarded_period_people_are_told_to_check() {
    let story = Story::begin();
    let from = story.now.plus(21 * 24 * HOUR);
    let input = planned(PlannedKind::Guard, of_host(1), from, 24 * HOUR);
    let story = story.does(input).pages(&[]);
    assert_eq!(story.desk.next_due(), Some(from.minus(72 * HOUR)));
    let story = story.after(18 * 24 * HOUR).timer().pages(&[(PageReason::Notice, 5)]);
    let story = story.after(MINUTE).timer().silent();
    let story = story.after(5 * 24 * HOUR).timer().pages(&[]);
    assert_eq!(story.desk.planned().count(), 0, "it is over");
}
