//! Hosts that do what a recorded one did.

use crate::recording::Recording;
use std::{collections::HashMap, sync::Arc};
use tocsin_vocabulary::{
    Dictionary, Hash, Section, Series,
    batch::{Cell, Tick},
};

/// Attributes that name a part of one host.
const OWN: [&str; 3] = [
    "network.interface.name",
    "system.device",
    "system.filesystem.mountpoint",
];

/// The ticks of a recording that share the dictionary most of them have.
#[derive(Debug)]
pub(super) struct Replay {
    ticks: Vec<Arc<Tick>>,
    dictionary: Dictionary,
    /// Which cells may be scaled: amounts, not shares and states.
    scaled: Vec<bool>,
}

impl Replay {
    pub(super) fn of(recording: &Recording) -> Self {
        let mut counts: HashMap<Hash, usize> = HashMap::new();
        for (_, dictionary) in &recording.ticks {
            *counts.entry(dictionary.hash()).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        let (hash, _) = most.expect("a recording with ticks");
        let of_it = || {
            recording
                .ticks
                .iter()
                .filter(|(_, dictionary)| dictionary.hash() == hash)
        };
        let (_, dictionary) = of_it().next().expect("a recording with ticks");
        Self {
            ticks: of_it().map(|(tick, _)| tick.clone()).collect(),
            scaled: dictionary
                .series()
                .map(|series| series.unit != "1" && series.unit != "{process}")
                .collect(),
            dictionary: dictionary.clone(),
        }
    }

    /// The recorded series; what belongs to a device, mount or interface is made the host's own by its name.
    pub(super) fn dictionary(&self, host: u64) -> Dictionary {
        let own = |series: &Series| series.attributes.iter().any(|(key, _)| OWN.contains(&key.as_str()));
        let sections = self.dictionary.sections().iter().map(|section| {
            if section.series().iter().any(own) {
                Arc::new(Section::new(
                    section.series().iter().map(|series| named(series, host)).collect(),
                ))
            } else {
                section.clone()
            }
        });
        Dictionary::new(sections.collect())
    }

    /// The recording over and over, each host beginning elsewhere. A counter falls where it begins again, as after a
    /// reboot.
    pub(super) fn cells(&self, host: u64, seq: u64) -> Vec<Cell> {
        let count = self.ticks.len() as u64;
        let position = seq.wrapping_add(host.wrapping_mul(17)) % count.max(1);
        let tick = &self.ticks[usize::try_from(position).unwrap_or(0)];
        let eighths = i64::try_from(8 + host % 8).unwrap_or(8);
        let cells = tick.cells.iter().zip(&self.scaled);
        cells
            .map(|(cell, scaled)| match cell {
                Cell::Scaled(value) if *scaled => Cell::Scaled(value.saturating_mul(eighths) / 8),
                cell => *cell,
            })
            .collect()
    }
}

fn named(series: &Series, host: u64) -> Series {
    let mut series = series.clone();
    for (key, value) in &mut series.attributes {
        if OWN.contains(&key.as_str()) {
            *value = format!("{value}-{host:05}").into();
        }
    }
    series
}
