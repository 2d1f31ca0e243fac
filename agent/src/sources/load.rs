//! Load averages (`/proc/loadavg`) and time since boot (`/proc/uptime`).

use super::bytes::{decimal, fields};

/// Digits after the point that the kernel prints for both files.
pub(crate) const DECIMALS: usize = 2;

/// Load averages over 1, 5 and 15 minutes, in hundredths.
pub(crate) fn parse_loadavg(bytes: &[u8]) -> Option<[u64; 3]> {
    let mut fields = fields(bytes).map(|field| decimal(field, DECIMALS));
    Some([fields.next()??, fields.next()??, fields.next()??])
}

/// Hundredths of a second since boot.
pub(crate) fn parse_uptime(bytes: &[u8]) -> Option<u64> {
    decimal(fields(bytes).next()?, DECIMALS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::any_like;

    #[test]
    fn both_files_are_read_in_hundredths() {
        assert_eq!(
            parse_loadavg(b"0.21 12.37 1000.39 1/719 19737\n"),
            Some([21, 1_237, 100_039])
        );
        assert_eq!(parse_uptime(b"350735.47 234388.90\n"), Some(35_073_547));
        assert_eq!(parse_loadavg(b"0.21 0.37"), None);
        assert_eq!(parse_uptime(b""), None);
    }

    #[test]
    fn any_bytes_are_read() {
        any_like(
            &[
                include_str!("../../fixtures/modern/proc/loadavg"),
                include_str!("../../fixtures/modern/proc/uptime"),
            ],
            |bytes: &[u8]| {
                let _ = (parse_loadavg(bytes), parse_uptime(bytes));
            },
        );
    }
}
