//! The metric store: what hosts measured, from the moment it arrives to the day it is dropped.
//!
//! Words: a *series* is one metric of one host with one set of attributes. A *tick* is one pass of sampling on a host, a
//! value for each of its series. A *batch* is a tick as bytes: a *key-frame* stands alone, a *delta* says what changed
//! since the tick before; a *dictionary* says which value belongs to which series, and equal hosts share one. A *spool* is
//! one life of an agent's own store, in which it numbers its ticks and keeps them until they are *sealed* here.
//!
//! ```text
//!                    decode, check ─▶ rules (beside the store)
//!                  │
//!  batch ─ append ─┴─▶ queue ─▶ journal ─ sync ─▶ received      one thread, groups of batches, as they came
//!                                  │
//!                                  ▼
//!                                head ──▶ light blocks          where each tick lies; columns every ten minutes
//!                                  │
//!                                  ▼  an hour and a while later
//!                                blocks ─ sync ─▶ sealed        a file for each day, by host and hour, in columns
//!                                  │
//!                                  └────▶ rollups               of 5 min and of 1 h, by metric across hosts
//! ```
//!
//! A tick's way through it:
//!
//! 1. **Append** ([`Store::append_live`], [`Store::append_chunk`]). The batch is decoded once, for the rules and to know
//!    that it can be, checked for being new by (host, spool, sequence), and queued as received. What a host may bring is
//!    bounded ([`config`]), and what exceeds it is refused to that host alone; a full queue is *busy*, at once.
//! 2. **Journal**. One thread lets a group gather, writes it in one go over room made ahead, and syncs once, then tells each
//!    submitter: only now may the tick be acknowledged as *received* ([`Store::holdings`]). A write that fails is undone; a
//!    sync that fails ends all writing, for nobody knows what is on the disk then.
//! 3. **Head**. Memory keeps where the tick's record lies, not the tick. Every ten minutes, at a moment of its own, a host's
//!    newest ticks become a *light block* of columns in a scratch file, for questions about the last hour.
//! 4. **Block** ([`Store::maintain`]). A while after its end, again at a moment of the host's own, an hour is written column
//!    by column into its day's file and synced: now its ticks are *sealed* and the agent may forget them. Ticks that come
//!    later make one more *generation* of that hour; when their day is over and quiet, these are folded into one.
//! 5. **Rollups** are made of blocks: least, greatest, sum, count and last of 5 minutes and of an hour, ordered by metric, so
//!    that a question across the fleet reads one file and not one block of each host.
//! 6. **Drop**. Journal segments that nothing unsealed goes back to are removed; day files and rollups when their time is
//!    over, which depends on the host's [`RetentionClass`]; the oldest raw day first when space runs out.
//!
//! [`Store::query`] reads rollups, blocks and head alike, by the step that is asked for, and says for which time nothing is
//! known. Large questions are few at a time and stand back behind ingest. [`Store::latest`] answers from memory.
//!
//! [`Store::tail`] reads the journal in order of arrival for whoever passes ticks on, and [`Store::pin_journal`] keeps what
//! a slow one still needs, within bounds.
//!
//! Opening ([`Store::open`]) rebuilds all of this from the files, whatever was cut off or damaged. Damage costs at most
//! the record or column that it hit, and a host's live ticks up to its next key-frame; as those were not sealed, they
//! are missing from [`Store::holdings`] and its agent sends them again. [`Store::health`] tells of it.
//!
//! [`Store::snapshot`] begins a [`backup`] while all this goes on; [`Store::verify`] reads everything through and tells
//! what is damaged and what that costs.
//!
//! The store reads no clock: the time comes with each call, from the shell. Files are reached through [`Disk`] alone:
//! [`RealDisk`], or in tests [`FaultDisk`], which loses and tears what was not synced. The bytes are drawn in `FORMAT.md`
//! beside this crate, and at its end how all of this is proved; the limits stand in [`config`].
//!
//! A store in memory, one host, one tick:
//!
//! ```
//! use std::sync::{Arc, mpsc};
//! use tocsin_metrics::{FaultDisk, Query, Store, StoreConfig};
//! use tocsin_vocabulary::{
//!     HostId, Kind, Section, Series, SpoolId, Timestamp,
//!     batch::{Cell, Encoder, Tick},
//! };
//!
//! let config = StoreConfig { free_bytes_min: 0, ..StoreConfig::new("/store") };
//! let store = Store::open(config, Arc::new(FaultDisk::new()))?;
//!
//! // What its cells mean.
//! let load = Series {
//!     name: "system.load".into(),
//!     attributes: Vec::new(),
//!     kind: Kind::Gauge,
//!     unit: "1".into(),
//!     decimals: 2,
//! };
//! let section = Section::new(vec![load]);
//! store.put_sections(&[section.bytes()])?;
//! let dictionary = store.put_dictionary(&[section.hash()])?;
//!
//! // A tick, as the first of its spool a key-frame.
//! let now = Timestamp::from_millis(1_763_769_600_000);
//! let (host, spool) = (HostId::from_bytes([1; 16]), SpoolId::from_bytes([2; 16]));
//! let tick = Tick { time: now, cells: vec![Cell::from_f64(0.75, 2)] };
//! let batch = Encoder::new().encode(&tick, &dictionary, true);
//! let stream = store.begin_stream(host, spool, 1);
//! let (sender, durable) = mpsc::channel();
//! store.append_live(&stream, 1, &batch, now, Box::new(move |outcome| drop(sender.send(outcome))))?;
//!
//! // Once it is synced it may be acknowledged.
//! durable.recv()??;
//! assert_eq!(store.holdings(host, spool).received, [(1, 1)]);
//! assert_eq!(store.query(&Query::new("system.load", now, now))?.series.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod append;
pub mod backup;
mod blocks;
mod bytes;
mod committer;
pub mod config;
mod dictionaries;
pub mod disk;
mod error;
mod fold;
mod head;
mod health;
mod host;
mod hours;
mod intervals;
mod journal;
mod maintain;
mod query;
mod recovery;
mod replay;
mod retention;
mod rollups;
mod seal;
mod shared;
mod store;
pub mod tail;
#[cfg(test)]
mod tests;
pub mod verify;

pub use append::{Appended, ChunkAppended, Holdings, Stream};
pub use committer::OnDurable;
pub use config::StoreConfig;
pub use disk::{Disk, DiskFile, FaultDisk, RealDisk};
pub use error::{OpenError, QueryError, StoreError};
pub use health::{Counter, Health};
pub use host::Latest;
pub use hours::{Hour, HourColumns, Values};
pub use maintain::Maintained;
pub use query::{
    Across, Aggregate, LatestSelector, LatestValue, Query, QueryBudget, QueryResult, Rank, SeriesData, Top,
};
pub use retention::{CLASS_NAME_MAX, ClassNameError, ClassSize, Retention, RetentionClass};
pub use store::Store;
pub use tail::{Position, Tail, TailBatch, TailTick};
