//! Channels: pages leave the site through webhook and mail, one queue per destination.
//!
//! * [`outbox`] — [`Outbox`]: where due pages come from and outcomes go to; the ledger, behind a trait,
//! * [`channel`] — [`Channel`]: hands one [`Envelope`] over and says how that went,
//! * [`webhook`], [`mail`], [`inbox`] — the channels there are,
//! * [`config`] — the `[[channel]]` tables of the collector's configuration, and [`build`],
//! * [`worker`] — [`Worker`]: takes due pages, tries, tries again, gives up,
//! * `wording` — what a page says in each language.
//!
//! Delivery is **at least once**: a crash after the other side accepted cannot be told from a crash before. So every page
//! bears a key that stays the same through all tries, and every try after the first says 重发/resent.

pub mod channel;
pub mod config;
pub mod inbox;
pub mod mail;
pub mod outbox;
pub mod webhook;
mod wording;
pub mod worker;

pub use channel::{Channel, Envelope, Receipt, SendError, SendErrorKind};
pub use config::{BuildError, ChannelConfig, build};
pub use outbox::{Outbox, OutboxError};
pub use worker::Worker;
