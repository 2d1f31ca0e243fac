//! Surveys under a clock of the test's own.

use super::*;
use std::sync::mpsc;

/// A clock that stands where it was put.
#[derive(Default)]
struct Hand(Mutex<Duration>);

impl crate::clock::Clock for Hand {
    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn mono(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

/// A survey that looks for as long as the test says.
struct Slow {
    name: &'static str,
    budget: Duration,
    began: mpsc::Sender<&'static str>,
    go_on: mpsc::Receiver<()>,
}

impl Survey for Slow {
    fn name(&self) -> &'static str {
        self.name
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn budget(&self) -> Duration {
        self.budget
    }

    fn look(&mut self, _: &Host, findings: &mut Findings) {
        let _ = self.began.send(self.name);
        let _ = self.go_on.recv();
        findings.value("system.cpu.load_average.1m", &[], 1.0);
    }
}

struct Stand {
    surveyor: Surveyor,
    clock: Arc<Hand>,
    began: mpsc::Receiver<&'static str>,
    go_on: Vec<mpsc::Sender<()>>,
}

impl Stand {
    fn new(names: &[&'static str], mode: Mode) -> Self {
        Self::of(names.iter().map(|name| (*name, QUICK)), mode)
    }

    /// Surveys with these budgets.
    fn of(surveys_of: impl IntoIterator<Item = (&'static str, Duration)>, mode: Mode) -> Self {
        let (begins, began) = mpsc::channel();
        let (mut surveys, mut go_on) = (Vec::<Box<dyn Survey>>::new(), Vec::new());
        for (name, budget) in surveys_of {
            let (sender, receiver) = mpsc::channel();
            go_on.push(sender);
            surveys.push(Box::new(Slow {
                name,
                budget,
                began: begins.clone(),
                go_on: receiver,
            }));
        }
        let clock = Arc::new(Hand::default());
        let surveyor = Surveyor::new(Path::new("/nowhere"), surveys, mode, Arc::clone(&clock) as SharedClock);
        Self {
            surveyor,
            clock,
            began,
            go_on,
        }
    }

    /// A tick at this second.
    fn tick(&mut self, second: u64) -> (Vec<Cell>, Vec<HostEvent>) {
        let mono = Duration::from_secs(second);
        *self.clock.0.lock().unwrap() = mono;
        let (mut cells, mut events) = (Vec::new(), Vec::new());
        let now = Timestamp::from_millis(0);
        self.surveyor
            .sample(&mut cells, &mut events, &mut Vec::new(), now, mono);
        (cells, events)
    }

    /// Lets survey `at` end its look, and waits until it has.
    fn end(&self, at: usize) {
        self.go_on[at].send(()).unwrap();
        while self.surveyor.shared.lock().done.is_empty() {
            thread::yield_now();
        }
    }
}

#[test]
fn a_tick_takes_what_was_found_and_waits_for_nothing() {
    let mut stand = Stand::new(&["one"], Mode::Background);
    assert_eq!(stand.tick(1).0[0], Cell::Absent, "its duration is not known yet");
    stand.began.recv().unwrap();
    stand.end(0);
    let (cells, _) = stand.tick(2);
    assert_eq!(cells[0], Cell::Scaled(100));
    assert_eq!(stand.tick(3).0[0], Cell::Scaled(100), "it stays until the next look");
    assert!(stand.began.try_recv().is_err(), "not due before its period is over");
    stand.tick(62);
    stand.began.recv().unwrap();
    // Found at 2: too old after three periods and the budget.
    assert_eq!(stand.tick(2 + 180 + 10).0[0], Cell::Scaled(100));
    assert_eq!(stand.tick(2 + 180 + 11).0[0], Cell::Absent);
    stand.go_on[0].send(()).unwrap();
}

#[test]
fn one_that_hangs_is_told_and_another_worker_takes_over() {
    let mut stand = Stand::new(&["hangs", "other"], Mode::Background);
    stand.tick(0);
    assert_eq!(stand.began.recv(), Ok("hangs"));
    assert_eq!(stand.tick(10).1, []);
    assert!(stand.began.try_recv().is_err(), "one worker serves both in turn");
    let (_, events) = stand.tick(11);
    assert_eq!(stand.began.recv(), Ok("other"));
    let told: Vec<_> = events.iter().map(|event| (event.name, event.body.as_str())).collect();
    assert_eq!(
        told,
        [("agent.survey.stuck", "the survey `hangs` is stuck for 11s")],
        "the other only waited"
    );
    assert_eq!(stand.tick(12).1, [], "told once");
    stand.end(1);
    let (cells, _) = stand.tick(13);
    assert_eq!(cells[0], Cell::Scaled(100), "of the one that answered");
    stand.go_on[0].send(()).unwrap();
}

#[test]
fn a_slow_survey_does_not_delay_a_cheap_one() {
    let slow = Duration::from_secs(90);
    let mut stand = Stand::of([("slow", slow), ("slower", slow), ("quick", QUICK)], Mode::Background);
    stand.tick(0);
    let mut began = [stand.began.recv().unwrap(), stand.began.recv().unwrap()];
    began.sort_unstable();
    assert_eq!(began, ["quick", "slow"], "the second slow one waits for the first");
    stand.end(2);
    stand.tick(1);
    // The quick one comes again at its time while the slow one is still at it, within its budget.
    let (_, events) = stand.tick(61);
    assert_eq!((stand.began.recv(), events), (Ok("quick"), Vec::new()));
    stand.end(0);
    assert_eq!(stand.began.recv(), Ok("slower"));
    for at in [1, 2] {
        stand.go_on[at].send(()).unwrap();
    }
}

#[test]
fn one_that_always_overruns_is_switched_off_for_a_while() {
    let mut stand = Stand::new(&["slow"], Mode::Background);
    let mut second = 0;
    let mut off = false;
    for _ in 0..OVERRUNS_MAX {
        assert!(!off);
        stand.tick(second);
        stand.began.recv().unwrap();
        stand.tick(second + 20);
        stand.end(0);
        off = stand
            .tick(second + 21)
            .1
            .iter()
            .any(|event| event.name == "agent.survey.off");
        second += 21 + 60;
    }
    assert!(off);
    stand.tick(second + 60);
    assert!(stand.began.try_recv().is_err());
    stand.tick(second + 3_600);
    stand.began.recv().unwrap();
    stand.go_on[0].send(()).unwrap();
}

#[test]
fn inline_everything_is_found_in_one_tick() {
    let mut stand = Stand::new(&["one", "two"], Mode::Inline);
    for go_on in &stand.go_on {
        go_on.send(()).unwrap();
    }
    let (cells, _) = stand.tick(0);
    assert_eq!(cells[..2], [Cell::Scaled(100), Cell::Scaled(100)]);
}
