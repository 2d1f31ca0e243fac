//! Hung file systems, with an injected question that does not return.

use super::*;
use std::sync::mpsc;

const SPACE: Space = Space {
    size: 100,
    free: 40,
    available: 30,
    inodes: 10,
    inodes_free: 5,
};
const PATIENCE_TICKS: u64 = 50_000_000;

fn mount(point: &str, kind: &str) -> Mount {
    Mount {
        point: point.into(),
        source: b"x".to_vec(),
        kind: kind.into(),
        device: b"1:1".to_vec(),
        read_only: false,
    }
}

/// Ticks once a second until `done`; says which second it was.
fn tick_until(spaces: &mut Spaces, from: u64, done: impl Fn(&Spaces, Duration) -> bool) -> u64 {
    for second in from..from + PATIENCE_TICKS {
        let mono = Duration::from_secs(second);
        spaces.refresh(mono);
        if done(spaces, mono) {
            return second;
        }
        thread::yield_now();
    }
    panic!("never came true");
}

#[test]
fn the_kernel_tells_the_space_of_the_root() {
    let space = ask_kernel(Path::new("/")).unwrap();
    assert!(space.size >= space.free && space.free >= space.available && space.size > 0);
    assert_eq!(ask_kernel(Path::new("/no such folder")), None);
}

#[test]
fn a_file_system_that_hangs_is_told_and_delays_no_other() {
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let ask: Ask = Arc::new(move |path: &Path| {
        if path == Path::new("/hangs") {
            let _ = gate.lock().unwrap().recv();
        }
        Some(SPACE)
    });
    let mut spaces = Spaces::new(ask);
    let hangs = spaces.add(&mount("/hangs", "ext4"));
    let well = spaces.add(&mount("/well", "ext4"));
    let second = tick_until(&mut spaces, 0, |spaces, mono| {
        spaces.known(well, mono).space.is_some() && spaces.known(hangs, mono).hung
    });
    assert_eq!(
        spaces.known(hangs, Duration::from_secs(second)),
        Known {
            space: None,
            hung: true
        }
    );
    assert!(spaces.shared.lock().workers <= 2);
    release.send(()).unwrap();
    drop(release); // further calls return at once
    tick_until(&mut spaces, second, |spaces, mono| {
        spaces.known(hangs, mono)
            == Known {
                space: Some(SPACE),
                hung: false,
            }
    });
}

#[test]
fn threads_are_bounded_when_everything_hangs_and_end_with_the_sampler() {
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let ask: Ask = Arc::new(move |_: &Path| {
        let _ = gate.lock().unwrap().recv();
        None
    });
    let mut spaces = Spaces::new(ask);
    let numbers: Vec<_> = (0..WORKERS_MAX + 24)
        .map(|i| spaces.add(&mount(&format!("/{i}"), "ext4")))
        .collect();
    tick_until(&mut spaces, 0, |spaces, _| spaces.shared.lock().workers == WORKERS_MAX);
    tick_until(&mut spaces, 100, |spaces, mono| {
        numbers
            .iter()
            .filter(|number| spaces.known(**number, mono).hung)
            .count()
            == WORKERS_MAX
    });
    assert_eq!(spaces.shared.lock().workers, WORKERS_MAX);
    let shared = Arc::clone(&spaces.shared);
    drop(spaces);
    drop(release);
    while shared.lock().workers > 0 {
        thread::yield_now();
    }
}

#[test]
fn a_file_system_that_hangs_has_one_call_however_often_it_is_watched_anew() {
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let ask: Ask = Arc::new(move |_: &Path| {
        let _ = gate.lock().unwrap().recv();
        None
    });
    let mut spaces = Spaces::new(ask);
    let mount = mount("/hangs", "ext4");
    let mut number = spaces.add(&mount);
    let mut second = 0;
    for _ in 0..5 {
        second = tick_until(&mut spaces, second, |spaces, mono| spaces.known(number, mono).hung);
        spaces.remove(number);
        number = spaces.add(&mount);
    }
    assert_eq!(spaces.shared.lock().workers, 1);
    assert_eq!(spaces.shared.lock().slots.len(), 1);
    spaces.remove(number);
    drop(release);
    while !spaces.shared.lock().slots.is_empty() {
        thread::yield_now();
    }
}

#[test]
fn remote_file_systems_are_asked_seldom() {
    let (tell, asked) = mpsc::channel();
    let tell = Mutex::new(tell);
    let ask: Ask = Arc::new(move |_: &Path| {
        tell.lock().unwrap().send(()).unwrap();
        Some(SPACE)
    });
    let mut spaces = Spaces::new(ask);
    let remote = spaces.add(&mount("/nfs", "nfs4"));
    let answered = |spaces: &Spaces| spaces.shared.lock().slots[&remote].phase == Phase::Idle;
    spaces.refresh(Duration::ZERO);
    tick_until(&mut spaces, 0, |spaces, _| answered(spaces));
    while !answered(&spaces) {
        thread::yield_now();
    }
    let count = asked.try_iter().count();
    assert!(count >= 1);
    let last = spaces.shared.lock().slots[&remote].asked.unwrap();
    spaces.refresh(last + Duration::from_secs(9));
    assert_eq!(asked.try_iter().count(), 0);
    spaces.refresh(last + Duration::from_secs(10));
    asked.recv().unwrap();
}

#[test]
fn a_file_system_that_is_gone_is_forgotten() {
    let mut spaces = Spaces::new(Arc::new(|_: &Path| Some(SPACE)));
    let number = spaces.add(&mount("/stick", "vfat"));
    tick_until(&mut spaces, 0, |spaces, mono| {
        spaces.known(number, mono).space.is_some()
    });
    spaces.remove(number);
    assert_eq!(spaces.known(number, Duration::ZERO), Known::default());
}
