//! Second by second: what came, how soon it was acknowledged, what it cost.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tocsin_tests::{
    figures::Figures,
    fleet::{pace, tally::Acked, usage},
    program,
};
use tocsin_vocabulary::Timestamp;

/// One reading of a process.
#[derive(Clone, Copy)]
struct Reading {
    cpu: Duration,
    resident: u64,
}

/// Reads a process at each full second.
pub(super) struct Watch {
    readings: Arc<Mutex<BTreeMap<i64, Reading>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    pub(super) fn start(pid: u32) -> Self {
        let readings: Arc<Mutex<BTreeMap<i64, Reading>>> = Arc::default();
        let kept = readings.clone();
        let task = tokio::spawn(async move {
            loop {
                let past = u64::try_from(pace::now().as_millis().rem_euclid(1_000)).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(1_000 - past)).await;
                let reading = Reading {
                    cpu: usage::cpu_time(pid),
                    resident: program::resident_bytes(pid),
                };
                let second = second_of(pace::now());
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(second, reading);
            }
        });
        Self { readings, task }
    }

    /// Prints a line for each second: ticks sent in it, until their acknowledgement, CPU, memory.
    pub(super) fn print(&self, acked: &[Acked]) {
        let readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut figures: BTreeMap<i64, Figures> = BTreeMap::new();
        for one in acked {
            figures.entry(second_of(one.sent_at)).or_default().add(one.after);
        }
        println!("second                      ticks{}   CPU ms   RSS MiB", Figures::HEAD);
        for (second, figures) in figures {
            let (Some(begin), Some(end)) = (readings.get(&second), readings.get(&(second + 1))) else {
                continue;
            };
            println!(
                "{:<26}{:>7}{figures}{:>8}{:>10.1}",
                Timestamp::from_millis(second * 1_000).to_string(),
                figures.len(),
                end.cpu.saturating_sub(begin.cpu).as_millis(),
                usage::mib(end.resident)
            );
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const fn second_of(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(1_000)
}
