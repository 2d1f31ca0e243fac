//! Which host is of which class, as the register says it.

use super::Classes;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_metrics::{RetentionClass, Store};
use tocsin_vocabulary::HostId;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often the register is read for hosts that are new or belong to another class. An hour is sealed five minutes after
/// its end at the earliest.
const REFRESH_PERIOD: Duration = Duration::from_secs(60);

/// Keeps the store told which host is of which class.
pub(crate) struct Membership {
    classes: Classes,
    ledger: Arc<Ledger>,
    store: Arc<Store>,
    told: HashMap<HostId, RetentionClass>,
}

impl Membership {
    /// Tells the store as the register is now, and warns of what nobody entered or declared.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub(crate) async fn open(classes: &Classes, ledger: &Arc<Ledger>, store: &Arc<Store>) -> Result<Self, LedgerError> {
        let known = ledger.customer_names().await?;
        for (class, customer) in classes.unknown_customers(&known) {
            tracing::warn!(%class, customer, "a retention class names a customer that is not in the ledger");
        }
        for size in store.health().classes.iter().filter(|size| !size.declared) {
            tracing::warn!(class = %size.class, bytes = size.block_bytes + size.rollup_bytes, "a retention class has files and is not declared: they are kept until [retention.{}] is declared again or space runs out", size.class);
        }
        let mut membership = Self {
            classes: classes.clone(),
            ledger: ledger.clone(),
            store: store.clone(),
            told: HashMap::new(),
        };
        membership.refresh().await?;
        Ok(membership)
    }

    async fn refresh(&mut self) -> Result<(), LedgerError> {
        if self.classes.is_empty() {
            return Ok(());
        }
        let members = self.classes.members(&self.ledger.hosts().await?);
        if members != self.told {
            tracing::info!(hosts = members.len(), "hosts belong to retention classes");
            self.store.set_classes(members.clone());
            self.told = members;
        }
        Ok(())
    }

    /// Follows the register until cancelled.
    pub(crate) async fn follow(mut self, cancel: CancellationToken) {
        let mut period = tokio::time::interval(REFRESH_PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = period.tick() => {}
                () = cancel.cancelled() => return,
            }
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "cannot read the register for retention classes: hosts stay in theirs");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;
    use tocsin_desk::record::HostFacts;
    use tocsin_vocabulary::{
        AssetId, Kind, Section, Series, SpoolId, Timestamp,
        batch::{Cell, Encoder, Tick},
    };

    /// A tick of the host, sealed.
    fn tick(store: &Store, host: HostId, now: Timestamp) {
        let section = Section::new(vec![Series {
            name: "level".into(),
            attributes: Vec::new(),
            kind: Kind::Gauge,
            unit: "1".into(),
            decimals: 0,
        }]);
        store.put_sections(&[section.bytes()]).unwrap();
        let dictionary = store.put_dictionary(&[section.hash()]).unwrap();
        let tick = Tick {
            time: now,
            cells: vec![Cell::Scaled(1)],
        };
        let payload = Encoder::new().encode(&tick, &dictionary, true);
        let stream = store.begin_stream(host, SpoolId::from_bytes([3; 16]), 1);
        let (durable, wait) = std::sync::mpsc::channel();
        let on_durable = Box::new(move |outcome| drop(durable.send(outcome)));
        store.append_live(&stream, 1, &payload, now, on_durable).unwrap();
        wait.recv().unwrap().unwrap();
        assert_eq!(store.seal_everything(now).unwrap().sealed_blocks, 1);
    }

    #[tokio::test]
    async fn the_store_is_told_at_the_start_and_when_the_register_changes() {
        use tocsin_ledger::NewHost;
        use tocsin_metrics::{FaultDisk, StoreConfig};
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("ledger.db").display());
        let now = Timestamp::from_millis(1_790_000_000_000);
        let ledger = Arc::new(Ledger::open(&address, now).await.unwrap());
        let text = "[retention.bank]\ncustomers = [\"默认客户 Default\"]\n[retention.lab]\ntags = [\"lab\"]\n";
        let classes = Config::parse("c.toml", text).unwrap().retention_classes;
        let config = StoreConfig {
            classes: classes.kept(),
            ..StoreConfig::new("/store")
        };
        let disk = FaultDisk::new();
        let store = Arc::new(Store::open(config, Arc::new(disk.clone())).unwrap());
        let new = NewHost {
            host: HostId::from_bytes([1; 16]),
            asset: AssetId::from_bytes([2; 16]),
            name: "web-1".to_owned(),
            customer: None,
            facts: HostFacts::default(),
            certificate_until: now,
        };
        ledger.enrol_host(&new, now, &[]).await.unwrap();
        let mut membership = Membership::open(&classes, &ledger, &store).await.unwrap();
        assert_eq!(membership.told[&new.host].as_str(), "bank");
        assert_eq!(store.class_of(new.host).as_str(), "bank");
        tick(&store, new.host, now);
        let paths = disk.paths();
        let of_class = Path::new("/store/blocks/2026-09-21.bank.blk");
        assert!(paths.iter().any(|path| path == of_class), "{paths:?}");
        ledger.set_host_tags(new.host, &["lab".to_owned()], &[]).await.unwrap();
        membership.refresh().await.unwrap();
        assert_eq!(store.class_of(new.host).as_str(), "lab");
    }
}
