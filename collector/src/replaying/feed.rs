//! Hours as blocks hold them, turned into ticks of the series that rules look at.

use std::{collections::HashMap, sync::Arc};
use tocsin_metrics::{HourColumns, Values};
use tocsin_vocabulary::{
    Dictionary, Hash, Section, Series, Timestamp,
    batch::{Cell, Tick},
};

/// Keeps what is the same from hour to hour.
pub(super) struct Feed<'a> {
    wanted: &'a dyn Fn(&Series) -> bool,
    /// By a host's dictionary: that of its wanted series alone.
    known: HashMap<Hash, Dictionary>,
    /// The dictionary of the last tick.
    current: Option<Hash>,
    tick: Tick,
    changed: Vec<u64>,
}

impl<'a> Feed<'a> {
    pub(super) fn new(wanted: &'a dyn Fn(&Series) -> bool) -> Self {
        Self {
            wanted,
            known: HashMap::new(),
            current: None,
            tick: Tick::default(),
            changed: Vec::new(),
        }
    }

    /// Other ticks came in between: what the next one differs from is not known here.
    pub(super) const fn forget(&mut self) {
        self.current = None;
    }

    /// Hands the hour's ticks over, each with what differs from the tick before.
    pub(super) fn hour(&mut self, hour: &HourColumns, mut each: impl FnMut(&Dictionary, &Tick, &[u64])) {
        let Self {
            wanted,
            known,
            current,
            tick,
            changed,
        } = self;
        let dictionary = known.entry(hour.dictionary.hash()).or_insert_with(|| {
            let series = hour
                .dictionary
                .series()
                .filter(|series| wanted(series))
                .cloned()
                .collect();
            Dictionary::new(vec![Arc::new(Section::new(series))])
        });
        let is_new = current.replace(dictionary.hash()) != Some(dictionary.hash());
        if is_new {
            tick.cells = vec![Cell::Absent; hour.columns.len()];
            *changed = vec![0; hour.columns.len().div_ceil(64)];
        }
        let moving: Vec<(usize, &Values)> = hour
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| !column.is_still())
            .collect();
        for (at, time) in hour.times.iter().enumerate() {
            changed.fill(0);
            tick.time = Timestamp::from_millis(*time);
            let mut put = |nth: usize, now: Cell, always: bool| {
                let cell = &mut tick.cells[nth];
                if always || *cell != now {
                    *cell = now;
                    changed[nth / 64] |= 1 << (nth % 64);
                }
            };
            if at == 0 {
                for (nth, column) in hour.columns.iter().enumerate() {
                    put(nth, column.get(0), is_new);
                }
            } else {
                for (nth, column) in &moving {
                    put(*nth, column.get(at), false);
                }
            }
            each(dictionary, tick, changed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::catalogue;

    #[test]
    fn an_hour_becomes_ticks_that_tell_what_changed() {
        let series = |name: &str| catalogue::metric(name).unwrap().series(&[]);
        let all = vec![
            series("system.uptime"),
            series("tocsin.clock.offset"),
            series("system.process.created"),
        ];
        let hour = HourColumns {
            dictionary: Dictionary::new(vec![Arc::new(Section::new(all))]),
            places: Arc::from([0, 2]),
            times: vec![10, 20, 30],
            columns: vec![Values::Each(vec![1, 2, 2]), Values::Constant(7)],
        };
        let wanted = |series: &Series| series.name != "tocsin.clock.offset";
        let mut feed = Feed::new(&wanted);
        let mut seen = Vec::new();
        let mut take = |dictionary: &Dictionary, tick: &Tick, changed: &[u64]| {
            assert_eq!(dictionary.len(), 2);
            seen.push((tick.time.as_millis(), tick.cells.clone(), changed[0]));
        };
        feed.hour(&hour, &mut take);
        let next = HourColumns {
            times: vec![40],
            columns: vec![Values::Absent, Values::Constant(7)],
            ..hour
        };
        feed.hour(&next, &mut take);
        let of = |one: i64| vec![Cell::Scaled(one), Cell::Scaled(7)];
        assert_eq!(
            seen,
            [
                (10, of(1), 3),
                (20, of(2), 1),
                (30, of(2), 0),
                (40, vec![Cell::Absent, Cell::Scaled(7)], 1),
            ]
        );
    }
}
