//! Pressure stall information (`/proc/pressure/{cpu,io,memory}`, kernel documentation `accounting/psi.rst`):
//! the share and the time in which work waited for a resource. Absent before kernel 4.20 or when switched off.

use super::bytes::{decimal, fields, lines, number};

/// The resources that work can wait for: file name and attribute value.
pub(crate) const RESOURCES: [&str; 3] = ["cpu", "io", "memory"];

/// Digits after the point that the kernel prints for the averages, which are percent.
pub(crate) const AVERAGE_DECIMALS: usize = 2;

/// One line: averages in hundredths of a percent, and microseconds since boot.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stall {
    pub(crate) average_10_s: Option<u64>,
    pub(crate) average_60_s: Option<u64>,
    pub(crate) average_300_s: Option<u64>,
    pub(crate) total_micros: Option<u64>,
}

/// One file. Before kernel 5.13 `cpu` has no `full` line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pressure {
    /// Some work waited.
    pub(crate) some: Stall,
    /// All work waited.
    pub(crate) full: Stall,
}

impl Pressure {
    /// Reads a file; what it does not say is absent.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut pressure = Self::default();
        for line in lines(bytes) {
            let mut fields = fields(line);
            match fields.next() {
                Some(b"some") => pressure.some = Stall::parse(fields),
                Some(b"full") => pressure.full = Stall::parse(fields),
                _ => {}
            }
        }
        pressure
    }
}

impl Stall {
    fn parse<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut stall = Self::default();
        for field in fields {
            if let Some(value) = field.strip_prefix(b"avg10=") {
                stall.average_10_s = decimal(value, AVERAGE_DECIMALS);
            } else if let Some(value) = field.strip_prefix(b"avg60=") {
                stall.average_60_s = decimal(value, AVERAGE_DECIMALS);
            } else if let Some(value) = field.strip_prefix(b"avg300=") {
                stall.average_300_s = decimal(value, AVERAGE_DECIMALS);
            } else if let Some(value) = field.strip_prefix(b"total=") {
                stall.total_micros = number(value);
            }
        }
        stall
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::any_like;

    #[test]
    fn both_lines_are_read() {
        let pressure = Pressure::parse(b"some avg10=1.23 avg60=0.50 avg300=99.99 total=159886802\nfull avg10=0.10 avg60=0.00 avg300=0.00 total=7\n");
        assert_eq!(pressure.some.average_10_s, Some(123));
        assert_eq!(pressure.some.average_300_s, Some(9_999));
        assert_eq!(pressure.some.total_micros, Some(159_886_802));
        assert_eq!(pressure.full.total_micros, Some(7));
    }

    #[test]
    fn an_older_cpu_file_has_no_full_line() {
        let pressure = Pressure::parse(b"some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n");
        assert_eq!(pressure.some.total_micros, Some(1));
        assert_eq!(pressure.full, Stall::default());
    }

    #[test]
    fn any_bytes_are_read() {
        any_like(
            &[include_str!("../../fixtures/modern/proc/pressure/io")],
            |bytes: &[u8]| {
                Pressure::parse(bytes);
            },
        );
    }
}
