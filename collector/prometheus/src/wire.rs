//! The messages of Prometheus' remote-write 1.0 and remote-read protocols, and the envelope they travel in.
//!
//! The shapes are those of `prometheus/prompb` (`remote.proto`, `types.proto`), written down as types; the body of every
//! request and answer is such a message in snappy's block format.

use snap::raw::{Decoder, Encoder, decompress_len};

/// One label of a series.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, prost::Message)]
pub struct Label {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value, not empty.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// One value.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Sample {
    /// The value.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// When, epoch milliseconds.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

/// One series with samples.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TimeSeries {
    /// Its labels, sorted by name.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// Its samples, sorted by time.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
}

/// The body of a remote-write request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WriteRequest {
    /// Each series once.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

/// Forms in which a remote read may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum ResponseType {
    /// One snappy message with all samples: what we answer.
    Samples = 0,
    /// A stream of chunks as Prometheus stores them.
    StreamedXorChunks = 1,
}

/// The body of a remote-read request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadRequest {
    /// Questions; each gets one [`QueryResult`].
    #[prost(message, repeated, tag = "1")]
    pub queries: Vec<Query>,
    /// What the asker understands, best first; empty: samples.
    #[prost(enumeration = "ResponseType", repeated, tag = "2")]
    pub accepted_response_types: Vec<i32>,
}

/// One question of a remote read. Its hints (field 4) may be ignored, and are.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Query {
    /// First instant, epoch milliseconds.
    #[prost(int64, tag = "1")]
    pub start_timestamp_ms: i64,
    /// Last instant, inclusive.
    #[prost(int64, tag = "2")]
    pub end_timestamp_ms: i64,
    /// All must match.
    #[prost(message, repeated, tag = "3")]
    pub matchers: Vec<LabelMatcher>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum MatcherType {
    /// `=`
    Eq = 0,
    /// `!=`
    Neq = 1,
    /// `=~`
    Re = 2,
    /// `!~`
    Nre = 3,
}

/// A condition on one label.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LabelMatcher {
    /// How.
    #[prost(enumeration = "MatcherType", tag = "1")]
    pub r#type: i32,
    /// Which label.
    #[prost(string, tag = "2")]
    pub name: String,
    /// With what.
    #[prost(string, tag = "3")]
    pub value: String,
}

/// The answer to one [`Query`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct QueryResult {
    /// Matching series.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

/// The body of a remote-read answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadResponse {
    /// In the order of the queries.
    #[prost(message, repeated, tag = "1")]
    pub results: Vec<QueryResult>,
}

/// Bytes that are not the message they should be.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Longer than is taken.
    #[error("the message is {found} bytes long, the limit is {max}; ask for less at once")]
    TooLong {
        /// Bytes it claims to have.
        found: usize,
        /// Bytes that are taken.
        max: usize,
    },
    /// Not snappy's block format.
    #[error("the body is not in snappy's block format; send `Content-Encoding: snappy`")]
    Snappy(#[source] snap::Error),
    /// Not the message.
    #[error("the body is not the expected protobuf message")]
    Protobuf(#[source] prost::DecodeError),
}

/// A message as it travels.
///
/// # Errors
/// When it is longer than snappy can say (4 GiB).
pub fn pack(message: &impl prost::Message) -> Result<Vec<u8>, WireError> {
    Encoder::new()
        .compress_vec(&message.encode_to_vec())
        .map_err(WireError::Snappy)
}

/// Reads what travelled; `bytes_max` bounds the message itself, before anything is made of it.
///
/// # Errors
/// When it is longer, or not such a message.
pub fn unpack<M: prost::Message + Default>(bytes: &[u8], bytes_max: usize) -> Result<M, WireError> {
    let found = decompress_len(bytes).map_err(WireError::Snappy)?;
    if found > bytes_max {
        return Err(WireError::TooLong { found, max: bytes_max });
    }
    let plain = Decoder::new().decompress_vec(bytes).map_err(WireError::Snappy)?;
    M::decode(plain.as_slice()).map_err(WireError::Protobuf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_are_those_of_the_protocol() {
        // Field 1 { 1 { "a" "b" } 2 { 1.5 @ 7 } }, by hand from the .proto files.
        let request = WriteRequest {
            timeseries: vec![TimeSeries {
                labels: vec![Label {
                    name: "a".into(),
                    value: "b".into(),
                }],
                samples: vec![Sample {
                    value: 1.5,
                    timestamp: 7,
                }],
            }],
        };
        let expected = b"\x0a\x15\x0a\x06\x0a\x01a\x12\x01b\x12\x0b\x09\0\0\0\0\0\0\xf8\x3f\x10\x07";
        assert_eq!(prost::Message::encode_to_vec(&request), expected);
    }

    proptest! {
        #[test]
        fn messages_read_back(
            series in prop::collection::vec((prop::collection::vec((".{0,6}", ".{0,6}"), 0..4), prop::collection::vec((any::<f64>(), any::<i64>()), 0..6)), 0..6),
        ) {
            let series = series.into_iter().map(|(labels, samples)| TimeSeries {
                labels: labels.into_iter().map(|(name, value)| Label { name, value }).collect(),
                samples: samples.into_iter().map(|(value, timestamp)| Sample { value: if value.is_nan() { 0.0 } else { value }, timestamp }).collect(),
            });
            let request = WriteRequest { timeseries: series.collect() };
            prop_assert_eq!(unpack::<WriteRequest>(&pack(&request).unwrap(), 1 << 20).unwrap(), request);
        }
    }

    #[test]
    fn any_bytes_are_a_request_or_an_error() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = unpack::<ReadRequest>(bytes, 1 << 16);
            let _ = <ReadRequest as prost::Message>::decode(bytes);
        });
    }

    #[test]
    fn a_message_that_claims_to_be_huge_is_refused_before_it_is_made() {
        let bomb = pack(&WriteRequest {
            timeseries: vec![TimeSeries::default(); 100_000],
        })
        .unwrap();
        assert!(bomb.len() < 20_000);
        assert!(matches!(
            unpack::<WriteRequest>(&bomb, 65_536),
            Err(WireError::TooLong { .. })
        ));
    }
}
