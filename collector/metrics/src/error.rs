//! What can go wrong, with operation, place and remedy.

use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tocsin_vocabulary::{Code, Hash, HostId, Timestamp, batch::BatchError, series::SectionError};

/// Why the store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("metric store {dir} is in use by another process; stop that collector or choose another state directory")]
    InUse {
        /// The store's folder.
        dir: PathBuf,
    },
    /// Written by a newer version.
    #[error("metric store {dir} has format {found}, this build reads up to {known}; install the newer collector again")]
    NewerFormat {
        /// The store's folder.
        dir: PathBuf,
        /// What its `FORMAT` file says.
        found: String,
        /// The newest format of this build.
        known: u32,
    },
    /// The folder or a file in it can't be used.
    #[error(
        "cannot {operation} {path}; check that the collector's user may read and write there and that there is room"
    )]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            operation,
            path,
            source,
        }
    }

    /// The closed code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::FailedPrecondition
    }
}

/// Why data was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The queue before the disk, the head or a host's intervals are full. Answer with *retry after*.
    #[error("metric store is busy: {0}; send again in a few seconds")]
    Busy(&'static str),
    /// A write failed and was undone; the store goes on.
    #[error("cannot {operation} {path}; free space or repair the disk, the collector goes on by itself")]
    Write {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// A sync failed earlier: what is on disk is unknown, so nothing is promised any more.
    #[error("metric store takes no data because a sync to disk failed; check the disk, then restart the collector")]
    Poisoned,
    /// The store was closed.
    #[error("metric store is closed")]
    Closed,
    /// Bytes that are no batch, or a delta without its key-frame.
    #[error("batch {seq} of host {host} can't be decoded; reconnect and begin with a key-frame")]
    Batch {
        /// Whose batch.
        host: HostId,
        /// Its sequence number.
        seq: u64,
        /// What is wrong with it.
        #[source]
        source: BatchError,
    },
    /// An earlier record of this chain could not be written, so this one would not be readable.
    #[error("an earlier tick of host {0} was not stored; reconnect and begin with a key-frame")]
    BrokenChain(HostId),
    /// A newer stream of the same host has begun.
    #[error("host {0} has opened a newer stream; close this one")]
    Superseded(HostId),
    /// A dictionary names a section that was never put.
    #[error("section {0} is not known; send it before the dictionary that uses it")]
    UnknownSection(Hash),
    /// A section that can't be read.
    #[error("section is not usable")]
    Section(#[source] SectionError),
    /// One of the limits of [`crate::config`].
    #[error("{found} {what} exceed the limit of {max}; reduce what this host measures")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many there were.
        found: usize,
        /// How many may be.
        max: usize,
    },
    /// A tick before 1970 or after the year 9999.
    #[error("host {host} sent a tick of {time}, which no calendar here holds; set that host's clock")]
    Time {
        /// Whose tick.
        host: HostId,
        /// Its time.
        time: Timestamp,
    },
}

impl StoreError {
    pub(crate) fn write(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Write {
            operation,
            path,
            source: Arc::new(source),
        }
    }

    /// The closed code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Busy(_) | Self::Write { .. } | Self::Poisoned | Self::Closed => Code::Unavailable,
            Self::Limit { .. } => Code::ResourceExhausted,
            Self::Superseded(_) | Self::BrokenChain(_) => Code::Conflict,
            Self::Batch { .. } | Self::UnknownSection(_) | Self::Section(_) | Self::Time { .. } => Code::InvalidInput,
        }
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// `to` lies before `from`, or the step is zero.
    #[error("{0}")]
    Invalid(&'static str),
    /// Too many points for each series.
    #[error(
        "the query asks for {found} points for each series, the limit is {max}; ask for a longer step or a shorter range"
    )]
    Points {
        /// Points asked for.
        found: u64,
        /// Points allowed.
        max: usize,
    },
    /// Too many series match.
    #[error("more than {max} series match; name a host or more attributes")]
    Series {
        /// Series allowed.
        max: usize,
    },
    /// More would have to be read than the query's budget allows.
    #[error(
        "the query would read more than {max} samples; ask for fewer series, a shorter range or steps of whole hours"
    )]
    Samples {
        /// Samples allowed.
        max: u64,
    },
    /// The answer took longer than the query's budget allows, or its turn did not come in that time.
    #[error("the query took longer than {} s; ask for less, or again when the collector is less busy", max.as_secs())]
    Time {
        /// Time allowed.
        max: Duration,
    },
    /// A block could not be read.
    #[error("cannot read {path}; check the disk")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl QueryError {
    /// The closed code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::InvalidInput,
            Self::Points { .. } | Self::Series { .. } | Self::Samples { .. } | Self::Time { .. } => {
                Code::ResourceExhausted
            }
            Self::Io { .. } => Code::Unavailable,
        }
    }
}
