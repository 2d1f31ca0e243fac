//! Channels: pages leave the site through SMS, robots, push, mail, voice and webhook, one queue per channel.
//!
//! * [`outbox`] — [`Outbox`]: where due pages come from and outcomes go to; the ledger, behind a trait,
//! * [`channel`] — [`Channel`]: hands one [`Envelope`] over, says how that went, and tells what came back,
//! * [`worker`] — [`Worker`]: takes due pages, tries, tries another way, tries again, gives up,
//! * [`route`], [`budget`] — which channels in which order; how much each may send,
//! * [`config`] — the `[[channel]]` tables of the collector's configuration, and [`build`],
//! * [`webhook`], [`mail`], [`robots`], [`push`], [`voice`], [`trap`], [`inbox`] — the channels there are, and for SMS
//!   [`spool`] (modems), [`kannel`], [`smpp`], [`cmpp`], [`gateway`], over [`sms`] and [`session`],
//! * [`reply`] — what people answer,
//! * [`advice`] — what a failed try means, in plain words,
//! * [`guard`], [`secret`], `http` — whereto anything may go, and what it proves itself with,
//! * `wording`, [`template`] — what a page says in each language.
//!
//! Delivery is **at least once**: a crash after the other side accepted cannot be told from a crash before. So every page
//! bears a key that stays the same through all tries, and every try after the first says 重发/resent.

pub mod advice;
pub mod budget;
pub mod channel;
pub mod cmpp;
pub mod config;
pub mod gateway;
pub mod guard;
mod http;
pub mod inbox;
pub mod kannel;
pub mod mail;
pub mod outbox;
pub mod push;
pub mod reply;
pub mod robots;
pub mod route;
pub mod secret;
pub mod session;
pub mod smpp;
pub mod sms;
pub mod spool;
pub mod template;
pub mod trap;
pub mod voice;
pub mod webhook;
mod wording;
pub mod worker;

pub use advice::Advice;
pub use channel::{
    Channel, Condition, Envelope, Facts, Incoming, OWN_LEVEL, Outcome, Reached, Receipt, Secrecy, SendError,
    SendErrorKind,
};
pub use config::{BuildError, BuildMistake, Built, ChannelConfig, build};
pub use outbox::{Failed, Outbox, OutboxError};
pub use route::{Order, Orders};
pub use worker::Worker;
