//! Cursors of lists: where a slice ended, as text that callers hand back untouched.
//!
//! A cursor holds the sort key of the last row. New rows don't shift what follows it.

use crate::LedgerError;
use std::str::FromStr;
use tocsin_desk::record::{List, Slice};
use tocsin_vocabulary::Timestamp;

/// Most rows of one slice; a caller that asks for more gets this many and a cursor.
const LIMIT_MAX: u32 = 500;

/// Rows to give.
pub(crate) fn limit(slice: &Slice) -> usize {
    slice.limit.clamp(1, LIMIT_MAX) as usize
}

/// Rows to ask for: one more than to give, which tells whether something follows.
pub(crate) fn fetch(slice: &Slice) -> i64 {
    i64::from(slice.limit.clamp(1, LIMIT_MAX)) + 1
}

/// The slice's list: at most its limit, with a cursor of the last row when there are more.
pub(crate) fn list<T>(mut items: Vec<T>, slice: &Slice, cursor: impl FnOnce(&T) -> String) -> List<T> {
    let limit = limit(slice);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(cursor) } else { None };
    List { items, next }
}

/// Joins the parts of a sort key.
pub(crate) fn write(parts: &[&dyn std::fmt::Display]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join("~")
}

/// The cursor of lists that are newest first: an instant and an identifier.
pub(crate) fn newest<I: FromStr>(
    operation: &'static str,
    slice: &Slice,
) -> Result<Option<(Timestamp, I)>, LedgerError> {
    let Some(after) = &slice.after else {
        return Ok(None);
    };
    let parts = after
        .split_once('~')
        .and_then(|(time, id)| Some((Timestamp::from_millis(time.parse().ok()?), id.parse().ok()?)));
    parts.map(Some).ok_or_else(|| bad(operation))
}

/// The cursor of lists that are sorted by whole numbers.
pub(crate) fn numbers<const N: usize>(operation: &'static str, slice: &Slice) -> Result<Option<[i64; N]>, LedgerError> {
    let Some(after) = &slice.after else {
        return Ok(None);
    };
    let numbers: Vec<i64> = after
        .split('~')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| bad(operation))?;
    numbers.try_into().map(Some).map_err(|_| bad(operation))
}

/// What a cursor of another list, or of nobody, is answered.
pub(crate) fn bad(operation: &'static str) -> LedgerError {
    LedgerError::Invalid {
        operation,
        what: "the cursor is not one that this list gave: begin again without it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(after: &str) -> Slice {
        Slice {
            after: Some(after.to_owned()),
            limit: 2,
        }
    }

    #[test]
    fn a_cursor_reads_back_and_a_strange_one_is_refused() {
        let written = write(&[&1, &-5, &i64::MAX]);
        assert_eq!(numbers("list", &slice(&written)).unwrap(), Some([1, -5, i64::MAX]));
        for strange in ["", "1~2", "1~2~x", "1~2~3~4", "'; DROP TABLE ticket"] {
            assert!(numbers::<3>("list", &slice(strange)).is_err(), "{strange}");
            assert!(
                newest::<tocsin_vocabulary::PageId>("list", &slice(strange)).is_err(),
                "{strange}"
            );
        }
    }

    #[test]
    fn only_a_list_that_goes_on_has_a_cursor() {
        let list_of = |items| list(items, &slice(""), |last: &i64| write(&[last]));
        assert_eq!(list_of(vec![1, 2, 3]).next.as_deref(), Some("2"));
        assert_eq!(list_of(vec![1, 2]).next, None);
        assert_eq!(
            limit(&Slice {
                after: None,
                limit: 100_000
            }),
            500
        );
    }

    #[test]
    fn any_text_is_a_cursor_or_an_error() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let slice = slice(&String::from_utf8_lossy(bytes));
            let _ = numbers::<3>("list", &slice);
            let _ = newest::<tocsin_vocabulary::AlertId>("list", &slice);
        });
    }
}
