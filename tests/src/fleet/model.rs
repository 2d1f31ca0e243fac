//! What simulated hosts measure: series of the catalogue, and the value of each at any tick, without keeping any.
//!
//! Four fifths of the series are the same on all hosts and one fifth is of the host's own disks, mounts and network
//! interfaces. Half of the series stand still, the rest are counters of varying rate and gauges that swing, as they
//! come in the catalogue: about a quarter each. No value is one that a built-in rule alerts on, until a host
//! [fails](Failing).

mod failing;
mod made;
mod replay;

pub use failing::{FAILED, Failing};

use made::Shape;
use replay::Replay;
use std::sync::Arc;
use tocsin_vocabulary::{Dictionary, Section, batch::Cell};

use crate::recording::Recording;

/// The metric of which every tick of every host has one value: what is asked for to count ticks.
pub const PROBE: &str = "system.memory.utilization";

/// What is common to all hosts of a fleet.
#[derive(Debug)]
pub struct Model(Source);

#[derive(Debug, Clone)]
enum Source {
    Made {
        common: Arc<Section>,
        own: usize,
        shapes: Arc<[Shape]>,
    },
    Replayed(Arc<Replay>),
}

/// One host.
#[derive(Debug, Clone)]
pub struct Machine {
    number: u64,
    dictionary: Dictionary,
    values: Values,
    failing: Arc<Failing>,
    /// Where among the cells that of [`PROBE`] is.
    probe: Option<usize>,
}

#[derive(Debug, Clone)]
enum Values {
    Made(Arc<[Shape]>),
    Replayed(Arc<Replay>),
}

impl Model {
    /// Hosts with so many series each, at least two, of made-up values.
    #[must_use]
    pub fn made(series: usize) -> Self {
        let series = series.max(2);
        let own = series.div_ceil(5);
        let common = made::common(series.saturating_sub(own));
        let all: Vec<_> = common.iter().cloned().chain(made::own(0, own)).collect();
        let shapes = all
            .iter()
            .enumerate()
            .map(|(at, series)| Shape::of(at, series))
            .collect();
        Self(Source::Made {
            common: Arc::new(Section::new(common)),
            own,
            shapes,
        })
    }

    /// Hosts that all did what a recorded one did, each beginning elsewhere in the recording and at a scale of its own.
    ///
    /// # Panics
    /// When the recording is empty.
    #[must_use]
    pub fn replayed(recording: &Recording) -> Self {
        Self(Source::Replayed(Arc::new(Replay::of(recording))))
    }

    /// The host of this number.
    #[must_use]
    pub fn machine(&self, number: u64) -> Machine {
        let (dictionary, values) = match &self.0 {
            Source::Made { common, own, shapes } => {
                let own = Section::new(made::own(number, *own));
                let sections = [common.clone(), Arc::new(own)];
                (Dictionary::new(sections.into()), Values::Made(shapes.clone()))
            }
            Source::Replayed(replay) => (replay.dictionary(number), Values::Replayed(replay.clone())),
        };
        let probe = dictionary.series().position(|series| series.name == PROBE);
        Machine {
            number,
            dictionary,
            values,
            failing: Arc::default(),
            probe,
        }
    }
}

impl Machine {
    /// Its number in the fleet.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// What its cells mean.
    #[must_use]
    pub const fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// From which tick on it fails; shared with who decides that.
    #[must_use]
    pub const fn failing(&self) -> &Arc<Failing> {
        &self.failing
    }

    /// Its cells at tick `seq`.
    #[must_use]
    pub fn cells(&self, seq: u64) -> Vec<Cell> {
        let mut cells = match &self.values {
            Values::Made(shapes) => made::cells(shapes, self.number, seq),
            Values::Replayed(replay) => replay.cells(self.number, seq),
        };
        if self.failing.at(seq)
            && let Some(cell) = self.probe.and_then(|at| cells.get_mut(at))
        {
            *cell = Cell::Raw(FAILED);
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use tocsin_vocabulary::Kind;

    #[test]
    fn a_fifth_of_each_hosts_series_is_its_own() {
        let model = Model::made(200);
        let (one, other) = (model.machine(1), model.machine(2));
        let series = |machine: &Machine| machine.dictionary().series().cloned().collect::<HashSet<_>>();
        assert_eq!(series(&one).len(), 200, "no series is there twice");
        assert_eq!(series(&one).difference(&series(&other)).count(), 40);
    }

    #[test]
    fn half_of_the_series_stand_still_and_counters_only_grow() {
        let machine = Model::made(200).machine(7);
        let ticks: Vec<Vec<Cell>> = (1..200).map(|seq| machine.cells(seq)).collect();
        let still = (0..200).filter(|at| ticks.iter().all(|cells| cells[*at] == ticks[0][*at]));
        assert!((80..=120).contains(&still.count()));
        for (at, series) in machine.dictionary().series().enumerate() {
            let values = ticks.iter().map(|cells| cells[at].to_f64(series.decimals).unwrap());
            if series.kind == Kind::Counter {
                assert!(values.is_sorted(), "{series}");
            }
        }
    }

    #[test]
    fn the_same_tick_is_the_same_again_and_hosts_differ() {
        let model = Model::made(50);
        assert_eq!(model.machine(3).cells(9), model.machine(3).cells(9));
        assert_ne!(model.machine(3).cells(9), model.machine(4).cells(9));
        assert_eq!(model.machine(3).cells(9).len(), 50);
        assert!(
            model
                .machine(0)
                .dictionary()
                .series()
                .any(|series| series.name == PROBE)
        );
    }
}
