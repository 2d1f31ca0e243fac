//! What tests of the engine begin with: a ledger with one enrolled host, and a clock that the test moves.

use crate::clock::Clock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tocsin_desk::record::HostFacts;
use tocsin_ledger::{Ledger, NewHost};
use tocsin_vocabulary::{AssetId, HostId, IdSource, Timestamp};

/// When it begins.
pub(super) const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// A ledger in a folder, a host in it, and what time it is, in epoch milliseconds.
pub(super) struct Place {
    pub(super) folder: tempfile::TempDir,
    pub(super) ledger: Arc<Ledger>,
    pub(super) host: HostId,
    pub(super) now: Arc<AtomicI64>,
}

impl Place {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("ledger.db").display());
        let ledger = Arc::new(Ledger::open(&address, START).await.unwrap());
        let mut ids = IdSource::new(1);
        let new = NewHost {
            host: HostId::next(&mut ids, START),
            asset: AssetId::next(&mut ids, START),
            name: "db1".to_owned(),
            customer: None,
            facts: HostFacts::default(),
            certificate_until: START.plus(Duration::from_secs(86_400)),
        };
        let host = ledger.enrol_host(&new, START, &[]).await.unwrap().id;
        Self {
            folder,
            ledger,
            host,
            now: Arc::new(AtomicI64::new(START.as_millis())),
        }
    }
}

/// A clock that shows what was last written.
pub(super) fn clock_of(now: &Arc<AtomicI64>) -> Clock {
    let now = now.clone();
    Arc::new(move || Timestamp::from_millis(now.load(Ordering::Relaxed)))
}
