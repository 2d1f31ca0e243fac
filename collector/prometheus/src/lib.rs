//! Exchange with the Prometheus world, in both directions.
//!
//! * [`export`] — what arrives is passed on by remote-write: to Prometheus, VictoriaMetrics, Mimir, Thanos;
//! * [`read`] — remote-read: a stock Prometheus answers PromQL with our samples;
//! * [`federate`] — the newest values as text, for a scrape;
//! * [`router`] — the routes of both;
//! * [`wire`] — the protocol's messages, [`matchers`] and [`selector`] — conditions on labels, [`fleet`] — labels of hosts.
//!
//! How series are called there is decided in [`tocsin_vocabulary::prometheus`] alone.
//!
//! Nothing here decides who may ask, and nothing writes to the store.

pub mod export;
pub mod federate;
pub mod fleet;
pub mod matchers;
pub mod read;
mod routes;
pub mod selector;
mod series;
#[cfg(test)]
mod tests;
pub mod wire;

pub use export::{Exports, RemoteWriteConfig, Worker};
pub use fleet::{Directory, Fleet, HostNames};
pub use routes::{Exchange, router};
