//! What is measured: series, grouped in sections, grouped in a dictionary.
//!
//! A *series* is one metric of one host with one set of attributes. A *section* is an ordered list of series that
//! change together (core, disks, network, …); its [`struct@Hash`] is the SHA-256 of its canonical bytes, so equal hosts share
//! it and a mounted stick re-sends one section only. A *dictionary* is the ordered list of sections that gives each
//! cell of a tick its meaning: cell *i* belongs to the *i*-th series, counted through all sections.
//!
//! Canonical bytes of a section, all numbers LEB128 varints, all strings length-prefixed UTF-8:
//! `version=1, series count, { name, attribute count, { key, value }, kind, unit, decimals }`.
//!
//! A collector holds the sections of thousands of hosts: texts are shared [`Label`]s, and the canonical bytes, needed
//! when a section is sent or stored, are made anew each time.

use crate::{
    label::Label,
    varint::{self, Reader},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, sync::Arc};

/// Most series in one section; an agent's total is capped by the collector.
pub const SECTION_SERIES_MAX: usize = 100_000;
/// Most attributes of one series.
pub const ATTRIBUTES_MAX: usize = 32;
/// Longest name, unit, attribute key or value, in bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// Most decimals that a series may declare.
pub const DECIMALS_MAX: u8 = 9;

const VERSION: u64 = 1;

/// Whether a value is a level or only ever counts upwards (until reset).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A level: temperature, free bytes, state.
    Gauge,
    /// A monotonic sum: bytes sent, seconds spent. Falls only when it was reset.
    Counter,
}

/// One metric of one host with one set of attributes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Series {
    /// Metric name (OpenTelemetry semantic convention where one exists).
    pub name: Label,
    /// Attribute pairs sorted by key.
    pub attributes: Vec<(Label, Label)>,
    /// Gauge or counter.
    pub kind: Kind,
    /// Unit in UCUM, such as `By`, `s`, `1`, `{process}`.
    pub unit: Label,
    /// Digits after the point that are kept.
    pub decimals: u8,
}

impl Series {
    /// The value of one attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

impl fmt::Display for Series {
    /// `name{key=value,…}`, for logs and tables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.attributes.is_empty() {
            f.write_str("{")?;
            for (i, (key, value)) in self.attributes.iter().enumerate() {
                write!(f, "{}{key}={value}", if i == 0 { "" } else { "," })?;
            }
            f.write_str("}")?;
        }
        Ok(())
    }
}

/// SHA-256 of something content-addressed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// From exactly 32 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// From exactly 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .filter(|_| rest.is_empty())
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        Self::from_slice(&bytes?)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Bytes that are not a section.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// Ends early, or a number or string is malformed.
    #[error("section is malformed")]
    Malformed,
    /// A limit of this module is exceeded.
    #[error("section exceeds a limit: {0}")]
    Limit(&'static str),
    /// Written by a newer version.
    #[error("section has version {0}, this build reads version 1")]
    Version(u64),
}

/// An ordered list of series that change together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    series: Box<[Series]>,
    hash: Hash,
}

impl Section {
    /// A section of these series, in this order.
    #[must_use]
    pub fn new(mut series: Vec<Series>) -> Self {
        for one in &mut series {
            one.attributes.shrink_to_fit();
        }
        let hash = Hash::of(&encode(&series));
        Self {
            series: series.into_boxed_slice(),
            hash,
        }
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// When they are malformed (or not canonical, such as a number in more bytes than it needs), beyond a limit, or
    /// of a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, SectionError> {
        let series = decode(bytes)?;
        if encode(&series) != bytes {
            return Err(SectionError::Malformed);
        }
        Ok(Self {
            series: series.into_boxed_slice(),
            hash: Hash::of(bytes),
        })
    }

    /// The series, in order.
    #[must_use]
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// The canonical bytes, made anew at each call.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        encode(&self.series)
    }

    /// SHA-256 of the canonical bytes.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }
}

fn encode(series: &[Series]) -> Vec<u8> {
    let mut out = Vec::with_capacity(series.len() * 48 + 8);
    varint::put(&mut out, VERSION);
    varint::put(&mut out, series.len() as u64);
    let text = |out: &mut Vec<u8>, text: &str| {
        varint::put(out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    };
    for one in series {
        text(&mut out, &one.name);
        varint::put(&mut out, one.attributes.len() as u64);
        for (key, value) in &one.attributes {
            text(&mut out, key);
            text(&mut out, value);
        }
        out.push(u8::from(one.kind == Kind::Counter));
        text(&mut out, &one.unit);
        out.push(one.decimals);
    }
    out
}

fn decode(bytes: &[u8]) -> Result<Vec<Series>, SectionError> {
    let mut reader = Reader::new(bytes);
    let version = reader.varint().ok_or(SectionError::Malformed)?;
    if version != VERSION {
        return Err(SectionError::Version(version));
    }
    let count = limited(&mut reader, SECTION_SERIES_MAX, "series")?;
    let mut series = Vec::with_capacity(count.min(bytes.len() / 5));
    for _ in 0..count {
        series.push(decode_one(&mut reader)?);
    }
    if reader.is_empty() {
        Ok(series)
    } else {
        Err(SectionError::Malformed)
    }
}

fn decode_one(reader: &mut Reader<'_>) -> Result<Series, SectionError> {
    let name = text(reader)?;
    let pairs = limited(reader, ATTRIBUTES_MAX, "attributes of a series")?;
    let mut attributes = Vec::with_capacity(pairs);
    for _ in 0..pairs {
        attributes.push((text(reader)?, text(reader)?));
    }
    let kind = match reader.byte().ok_or(SectionError::Malformed)? {
        0 => Kind::Gauge,
        1 => Kind::Counter,
        _ => return Err(SectionError::Malformed),
    };
    let unit = text(reader)?;
    let decimals = reader.byte().ok_or(SectionError::Malformed)?;
    if decimals > DECIMALS_MAX {
        return Err(SectionError::Limit("decimals"));
    }
    Ok(Series {
        name,
        attributes,
        kind,
        unit,
        decimals,
    })
}

fn limited(reader: &mut Reader<'_>, max: usize, what: &'static str) -> Result<usize, SectionError> {
    let count = reader.varint().ok_or(SectionError::Malformed)?;
    usize::try_from(count)
        .ok()
        .filter(|count| *count <= max)
        .ok_or(SectionError::Limit(what))
}

fn text(reader: &mut Reader<'_>) -> Result<Label, SectionError> {
    let length = limited(reader, TEXT_BYTES_MAX, "bytes of a text")?;
    let bytes = reader.take(length).ok_or(SectionError::Malformed)?;
    std::str::from_utf8(bytes)
        .map(Label::from)
        .map_err(|_| SectionError::Malformed)
}

/// The ordered list of sections that gives each cell of a tick its meaning. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dictionary {
    sections: Arc<[Arc<Section>]>,
    hash: Hash,
    len: usize,
}

impl Dictionary {
    /// Of these sections, in this order.
    #[must_use]
    pub fn new(sections: Vec<Arc<Section>>) -> Self {
        let mut joined = Vec::with_capacity(sections.len() * 32);
        for section in &sections {
            joined.extend_from_slice(section.hash().as_bytes());
        }
        let len = sections.iter().map(|section| section.series().len()).sum();
        Self {
            sections: sections.into(),
            hash: Hash::of(&joined),
            len,
        }
    }

    /// SHA-256 over the concatenated section hashes.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The sections, in order.
    #[must_use]
    pub fn sections(&self) -> &[Arc<Section>] {
        &self.sections
    }

    /// Number of series, which is the number of cells of a tick.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no series.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All series in cell order.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.sections.iter().flat_map(|section| section.series())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_series() -> impl Strategy<Value = Series> {
        let attribute = (".{0,12}", ".{0,12}");
        (
            ".{0,24}",
            prop::collection::vec(attribute, 0..4),
            any::<bool>(),
            ".{0,8}",
            0..=DECIMALS_MAX,
        )
            .prop_map(|(name, attributes, counter, unit, decimals)| Series {
                name: name.into(),
                attributes: attributes
                    .into_iter()
                    .map(|(key, value)| (key.into(), value.into()))
                    .collect(),
                kind: if counter { Kind::Counter } else { Kind::Gauge },
                unit: unit.into(),
                decimals,
            })
    }

    proptest! {
        #[test]
        fn sections_read_back_with_the_same_hash(series in prop::collection::vec(any_series(), 0..12)) {
            let section = Section::new(series);
            let read = Section::decode(&section.bytes()).unwrap();
            prop_assert_eq!(read.hash(), section.hash());
            prop_assert_eq!(read, section);
        }
    }

    #[test]
    fn any_bytes_are_a_section_or_an_error() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Ok(section) = Section::decode(bytes) {
                assert_eq!(section.bytes(), bytes);
                assert_eq!(Section::new(section.series().to_vec()), section);
            }
        });
    }

    #[test]
    fn bytes_that_are_not_canonical_are_refused() {
        let empty = Section::new(Vec::new());
        assert_eq!(empty.bytes(), [1, 0]);
        assert_eq!(Section::decode(&[1, 0]), Ok(empty));
        assert_eq!(Section::decode(&[1, 0x80, 0]), Err(SectionError::Malformed));
    }

    #[test]
    fn an_endless_section_is_refused_before_it_is_read() {
        let mut bytes = Vec::new();
        varint::put(&mut bytes, VERSION);
        varint::put(&mut bytes, u64::MAX);
        assert_eq!(Section::decode(&bytes), Err(SectionError::Limit("series")));
    }
}
