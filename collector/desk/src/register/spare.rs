//! Spare parts: how many a contract wants, what is missing, what was used (R47).

use super::Row;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tocsin_vocabulary::Timestamp;

/// One spare for so many covered assets of a model: 5 %.
const ASSETS_PER_SPARE: usize = 20;

/// What is held of one model, and what would be needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// The model.
    pub model: String,
    /// Covered assets of it.
    pub assets: usize,
    /// Spares held.
    pub held: usize,
    /// What is wanted: 5 % of the assets, rounded up, or the highest minimum that the register names.
    pub wanted: usize,
}

impl Stock {
    /// How many are missing.
    #[must_use]
    pub const fn missing(&self) -> usize {
        self.wanted.saturating_sub(self.held)
    }
}

/// The stock of each model that an asset or a spare names; what is missing first.
#[must_use]
pub fn stock(assets: &[Row], spares: &[Row]) -> Vec<Stock> {
    let mut models: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for asset in assets.iter().filter(|asset| !asset.get("model").is_empty()) {
        models.entry(asset.get("model")).or_default().0 += 1;
    }
    for spare in spares.iter().filter(|spare| !spare.get("model").is_empty()) {
        let entry = models.entry(spare.get("model")).or_default();
        entry.1 += spare.get("count").parse::<usize>().unwrap_or(0);
        entry.2 = entry.2.max(spare.get("minimum").parse().unwrap_or(0));
    }
    let mut stock: Vec<Stock> = models
        .into_iter()
        .map(|(model, (assets, held, minimum))| Stock {
            model: model.to_owned(),
            assets,
            held,
            wanted: assets.div_ceil(ASSETS_PER_SPARE).max(minimum),
        })
        .collect();
    stock.sort_by(|a, b| b.missing().cmp(&a.missing()).then_with(|| a.model.cmp(&b.model)));
    stock
}

/// A spare that somebody wants to use, and whether a lead allowed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// 1, 2, 3 … within the ledger.
    pub id: u64,
    /// The spare's row.
    pub spare: String,
    /// Its name then.
    pub name: String,
    /// How many.
    pub count: u32,
    /// For which ticket.
    pub ticket: u64,
    /// Login of whoever asked.
    pub asked_by: String,
    /// When.
    pub asked_at: Timestamp,
    /// Login of whoever answered.
    pub answered_by: Option<String>,
    /// Whether it was allowed; none while it waits.
    pub allowed: Option<bool>,
}
