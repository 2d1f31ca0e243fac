//! The collector killed at every step between an alert and its page: no ticket and no page is lost, at most one more copy of
//! a page arrives for each death, and every ticket is in the state that its timeline says.
//!
//! The suite dies at each step once. In its full form it dies a thousand times and more, at steps drawn from a seed, some
//! of them twice in a row:
//!
//! ```text
//! TOCSIN_DEATHS=1000 cargo test -p tocsin-tests --test stories -- every_step --nocapture
//! ```
//!
//! `TOCSIN_PAGES_APART=1` in the collector's environment writes the outbox apart from the desk's step; the second story
//! shows that this suite then finds what is lost.

use tocsin_ledger::steps::Step;
use tocsin_tests::killing::Scene;
use tocsin_vocabulary::{IdSource, TicketId, Timestamp};

/// Steps that one fault comes past twice: the page of the new ticket, and that of the one that was restored.
const TWICE: [Step; 4] = [
    Step::SendingMeant,
    Step::SendingBegun,
    Step::Answered,
    Step::OutcomeWritten,
];
/// After these a collector that comes back has a page to send.
const OWING: [Step; 6] = [
    Step::Committed,
    Step::OutboxRung,
    Step::PagesRead,
    Step::SendingMeant,
    Step::SendingBegun,
    Step::Answered,
];

/// Numbers from a seed.
struct Random(IdSource);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        let id = TicketId::next(&mut self.0, Timestamp::from_millis(0));
        let low = id.as_bytes()[10..]
            .iter()
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        low % bound
    }

    fn one_of(&mut self, steps: &[Step]) -> Step {
        steps[self.below(steps.len())]
    }
}

#[tokio::test]
async fn a_collector_killed_at_every_step_between_alert_and_page_loses_nothing() {
    let deaths = std::env::var("TOCSIN_DEATHS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(0);
    let runs = deaths.max(Step::ALL.len());
    let mut scene = Scene::set(runs, false).await;
    let mut random = Random(IdSource::new(1));
    for run in 0..runs {
        // Each step in turn; then wherever the seed says.
        let (step, passes, again) = match Step::ALL.get(run) {
            Some(step) => (*step, 0, None),
            None => {
                let step = random.one_of(&Step::ALL);
                let passes = u32::from(TWICE.contains(&step) && random.below(2) == 1);
                let again = OWING.contains(&step) && passes == 0 && random.below(3) == 0;
                (step, passes, again.then(|| random.one_of(&OWING[2..])))
            }
        };
        if deaths > 0 {
            println!("{run}: {step:?} after {passes}, then {again:?}");
        }
        scene.dies_at(step, passes, again).await;
        let wrong = scene.violations().await;
        assert!(
            wrong.is_empty(),
            "run {run}, {step:?} after {passes}, then {again:?}: {wrong:#?}"
        );
    }
    let said = scene.site.cli(&["audit", "verify"]);
    assert!(said.contains("unbroken"), "{said}");
}

#[tokio::test]
async fn pages_that_are_written_apart_from_their_ticket_are_found_missing() {
    let mut scene = Scene::set(2, true).await;
    scene.dies_at(Step::CommitBegun, 0, None).await;
    assert_eq!(
        scene.violations().await,
        Vec::<String>::new(),
        "nothing was written yet"
    );
    scene.dies_at(Step::Committed, 0, None).await;
    let wrong = scene.violations().await;
    assert_eq!(wrong, ["nobody was told of 1 tickets"]);
}
