//! The metric store: journal, head, sealed blocks, queries.
//!
//! A tick's way through it:
//!
//! 1. **Append** ([`Store::append_live`], [`Store::append_chunk`]). The batch is decoded once, for the rules and to know
//!    that it can be, checked for being new by (host, spool, sequence), and queued as received.
//! 2. **Journal**. One thread writes all that is queued in one go and syncs it, then tells each submitter: only now may
//!    the tick be acknowledged as *received*. A write that fails is undone; a sync that fails ends all writing, for
//!    nobody knows what is on the disk then.
//! 3. **Head**. Memory keeps where the tick's record lies. Every ten minutes a host's newest ticks become a *light block*
//!    of columns in a scratch file, for questions about the last hour.
//! 4. **Block** ([`Store::maintain`]). A while after its end an hour is written column by column into its day's file
//!    and synced: now its ticks are *sealed* and the agent may forget them. Ticks that come later make one more
//!    generation of that hour.
//! 5. **Drop**. Journal segments that nothing unsealed goes back to are removed, day files when their time is over or
//!    space runs out. How long that is depends on the host's [`RetentionClass`], each of which has day files of its own.
//!
//! [`Store::tail`] reads the journal in order of arrival for whoever passes ticks on, and [`Store::pin_journal`] keeps what
//! a slow one still needs, within bounds.
//!
//! [`Store::query`] reads blocks and head alike and says for which time nothing is known.
//!
//! Opening ([`Store::open`]) rebuilds all of this from the files, whatever was cut off or damaged. Damage costs at most
//! the record or column that it hit, and a host's live ticks up to its next key-frame; as those were not sealed, they
//! are missing from [`Store::holdings`] and its agent sends them again.
//!
//! [`Store::snapshot`] begins a [`backup`] while all this goes on; [`Store::verify`] reads everything through and tells
//! what is damaged and what that costs.
//!
//! The bytes are drawn in `FORMAT.md` beside this file; the limits stand in [`config`].
//!
//! The store reads no clock: the time comes with each call, from the shell. Files are reached through [`Disk`] alone.

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
