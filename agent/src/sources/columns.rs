//! From measured values to the cells and series of a tick.
//!
//! Each source tells its values and what they are in one pass, through [`Columns::put`]. On most ticks only the cells
//! are kept; when the set of series changed, the same pass also describes the series. So a cell can't end up under
//! another series' name, and an unchanged host costs no allocation.

use std::sync::Arc;
use tocsin_vocabulary::{Kind, Section, Series, batch::Cell, catalogue};

/// Takes values in order.
pub(crate) struct Columns<'tick> {
    cells: &'tick mut Vec<Cell>,
    series: Option<Vec<Series>>,
}

impl Columns<'_> {
    /// The next value: a whole number of 10^-`decimals` of metric `name`, or nothing was measured.
    pub(crate) fn put(&mut self, name: &'static str, attributes: &[(&str, &str)], decimals: u8, value: Option<u64>) {
        self.cells
            .push(value.map_or(Cell::Absent, |value| cell(value, decimals)));
        if let Some(series) = &mut self.series {
            series.push(describe(name, attributes, decimals));
        }
    }
}

/// 64-bit counters of the kernel may exceed what a cell holds exactly; such a value is approximate.
#[allow(clippy::cast_precision_loss)] // that is what Raw is for
fn cell(value: u64, decimals: u8) -> Cell {
    i64::try_from(value).map_or_else(
        |_| Cell::Raw(value as f64 / 10_f64.powi(i32::from(decimals))),
        Cell::Scaled,
    )
}

fn describe(name: &'static str, attributes: &[(&str, &str)], decimals: u8) -> Series {
    let mut series = catalogue::metric(name).map_or_else(
        || Series {
            name: name.into(),
            attributes: Vec::new(),
            kind: Kind::Gauge,
            unit: "1".into(),
            decimals,
        },
        |metric| metric.series(attributes),
    );
    series.decimals = decimals; // of the values as they come; a test holds that the catalogue says the same
    series
}

/// A section that is made anew only when its set of series changed.
#[derive(Debug)]
pub(crate) struct CachedSection {
    section: Arc<Section>,
    stale: bool,
}

impl Default for CachedSection {
    fn default() -> Self {
        Self {
            section: Arc::new(Section::new(Vec::new())),
            stale: true,
        }
    }
}

impl CachedSection {
    /// The set of series changed: the next [`fill`](Self::fill) describes them anew.
    pub(crate) const fn mark_stale(&mut self) {
        self.stale = true;
    }

    /// Appends the values that `put` tells; says whether the section is another one now.
    pub(crate) fn fill(&mut self, cells: &mut Vec<Cell>, put: impl FnOnce(&mut Columns<'_>)) -> bool {
        let first = cells.len();
        let mut columns = Columns {
            cells,
            series: self.stale.then(Vec::new),
        };
        put(&mut columns);
        if let Some(series) = columns.series {
            self.section = Arc::new(Section::new(series));
            self.stale = false;
            return true;
        }
        let expected = first + self.section.series().len();
        debug_assert_eq!(cells.len(), expected, "a source changed its series without saying so");
        cells.resize(expected, Cell::Absent);
        false
    }

    /// The section as last described.
    pub(crate) fn section(&self) -> Arc<Section> {
        Arc::clone(&self.section)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_described_once_and_again_when_stale() {
        let (mut section, mut cells) = (CachedSection::default(), Vec::new());
        let put = |columns: &mut Columns<'_>| columns.put("system.uptime", &[], 0, Some(7));
        assert!(section.fill(&mut cells, put));
        let first = section.section();
        assert!(!section.fill(&mut cells, put));
        section.mark_stale();
        assert!(section.fill(&mut cells, put));
        assert_eq!(section.section().hash(), first.hash());
        assert_eq!(cells, [Cell::Scaled(7); 3]);
    }

    #[test]
    fn values_beyond_63_bits_are_raw() {
        assert_eq!(cell(u64::MAX, 2), Cell::Raw(184_467_440_737_095_516.16));
        assert_eq!(cell(i64::MAX.unsigned_abs(), 2), Cell::Scaled(i64::MAX));
    }
}
