//! Points as JSON text, number by number: long answers are little else, and going through a serializer for each of a
//! million points costs more than finding them. The text is the one that `serde_json` would write.

use crate::time::Timestamp;

/// Bytes of a point of usual length, to reserve room by.
const POINT_BYTES: usize = 36;

/// Appends `[[epoch milliseconds,value],…]`; a value that is missing or not finite is `null`.
pub fn put_points(points: &[(Timestamp, Option<f64>)], out: &mut Vec<u8>) {
    out.reserve(points.len() * POINT_BYTES + 2);
    let mut whole = itoa::Buffer::new();
    out.push(b'[');
    for (at, (time, value)) in points.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"[" } else { b",[" });
        out.extend_from_slice(whole.format(time.as_millis()).as_bytes());
        out.push(b',');
        put_value(*value, out);
        out.push(b']');
    }
    out.push(b']');
}

/// Appends `[value,…]`, `null` as above.
pub fn put_values(values: &[Option<f64>], out: &mut Vec<u8>) {
    out.reserve(values.len() * POINT_BYTES / 2 + 2);
    out.push(b'[');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put_value(*value, out);
    }
    out.push(b']');
}

#[inline]
fn put_value(value: Option<f64>, out: &mut Vec<u8>) {
    match value.filter(|value| value.is_finite()) {
        Some(value) => out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_text_is_that_of_the_serializer(
            points in prop::collection::vec((any::<i64>(), prop::option::of(prop_oneof![
                any::<f64>(),
                (-100_000_i32..100_000, 1..7_u8).prop_map(|(tenths, count)| f64::from(tenths) / 10.0 / f64::from(count)),
            ])), 0..40),
        ) {
            let values: Vec<Option<f64>> = points.iter().map(|(_, value)| *value).collect();
            let mut text = Vec::new();
            put_values(&values, &mut text);
            prop_assert_eq!(String::from_utf8_lossy(&text), serde_json::to_string(&values).unwrap());
            let timed: Vec<_> = points.iter().map(|(time, value)| (Timestamp::from_millis(*time), *value)).collect();
            text.clear();
            put_points(&timed, &mut text);
            prop_assert_eq!(String::from_utf8_lossy(&text), serde_json::to_string(&points).unwrap());
        }
    }
}
