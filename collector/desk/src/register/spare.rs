//! Spare parts: how many a contract wants, what is missing, what was used (R47).

use super::Row;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
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
    /// Spare parts and stand-by machines held.
    pub held: usize,
    /// Those of them that are stand-by machines (备机).
    pub standby: usize,
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
    let mut models: BTreeMap<&str, (usize, usize, usize, usize)> = BTreeMap::new();
    for asset in assets.iter().filter(|asset| !asset.get("model").is_empty()) {
        models.entry(asset.get("model")).or_default().0 += 1;
    }
    for spare in spares.iter().filter(|spare| !spare.get("model").is_empty()) {
        let entry = models.entry(spare.get("model")).or_default();
        let count = spare.get("count").parse::<usize>().unwrap_or(0);
        entry.1 += count;
        entry.3 += if spare.get("kind") == "standby" { count } else { 0 };
        entry.2 = entry.2.max(spare.get("minimum").parse().unwrap_or(0));
    }
    let mut stock: Vec<Stock> = models
        .into_iter()
        .map(|(model, (assets, held, minimum, standby))| Stock {
            model: model.to_owned(),
            assets,
            held,
            standby,
            wanted: assets.div_ceil(ASSETS_PER_SPARE).max(minimum),
        })
        .collect();
    stock.sort_by(|a, b| b.missing().cmp(&a.missing()).then_with(|| a.model.cmp(&b.model)));
    stock
}

/// The day of an instant in the zone of registers, such as `2026-11-22`.
#[must_use]
pub fn day(at: Timestamp) -> String {
    local(at).map_or_else(String::new, |zoned| zoned.date().to_string())
}

fn local(at: Timestamp) -> Option<jiff::Zoned> {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .ok()?
        .in_tz("Asia/Shanghai")
        .ok()
}

/// Spares that nobody has counted in the month of `now`: each is counted once a month (R47).
#[must_use]
pub fn uncounted(spares: &[Row], now: Timestamp) -> Vec<&Row> {
    let today = day(now);
    let month = today.get(..7).unwrap_or_default();
    spares
        .iter()
        .filter(|spare| !spare.get("counted_on").starts_with(month))
        .collect()
}

/// What was used of a spare within a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Such as `2026-11`.
    pub month: String,
    /// The spare's name.
    pub name: String,
    /// How many were used.
    pub count: u32,
    /// On how many tickets.
    pub tickets: usize,
}

/// The uses that were allowed, month by month and spare by spare, the newest month first.
#[must_use]
pub fn monthly(uses: &[Use]) -> Vec<Used> {
    let mut months: BTreeMap<(String, &str), (u32, BTreeSet<u64>)> = BTreeMap::new();
    for one in uses.iter().filter(|one| one.allowed == Some(true)) {
        let month = day(one.asked_at).get(..7).unwrap_or_default().to_owned();
        let entry = months.entry((month, &one.name)).or_default();
        entry.0 = entry.0.saturating_add(one.count);
        entry.1.insert(one.ticket);
    }
    let mut used: Vec<Used> = months
        .into_iter()
        .map(|((month, name), (count, tickets))| Used {
            month,
            name: name.to_owned(),
            count,
            tickets: tickets.len(),
        })
        .collect();
    used.sort_by(|a, b| b.month.cmp(&a.month).then_with(|| a.name.cmp(&b.name)));
    used
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

#[cfg(test)]
mod tests {
    use super::*;

    fn used(id: u64, name: &str, at: &str, allowed: Option<bool>) -> Use {
        Use {
            id,
            spare: "1".to_owned(),
            name: name.to_owned(),
            count: 2,
            ticket: id,
            asked_by: "wang".to_owned(),
            asked_at: at.parse().unwrap(),
            answered_by: None,
            allowed,
        }
    }

    #[test]
    fn a_month_has_what_was_allowed_in_it_by_the_days_of_the_site() {
        let uses = [
            used(1, "disk", "2026-10-31T15:59:59Z", Some(true)),
            used(2, "disk", "2026-10-31T16:00:00Z", Some(true)),
            used(3, "disk", "2026-11-02T00:00:00Z", Some(true)),
            used(4, "disk", "2026-11-02T00:00:00Z", Some(false)),
            used(5, "fan", "2026-11-02T00:00:00Z", None),
        ];
        let months: Vec<_> = monthly(&uses)
            .into_iter()
            .map(|one| (one.month, one.count, one.tickets))
            .collect();
        assert_eq!(months, [("2026-11".to_owned(), 4, 2), ("2026-10".to_owned(), 2, 1)]);
    }

    #[test]
    fn each_spare_is_counted_once_a_month() {
        let spare = |counted: &str| Row {
            values: BTreeMap::from([("counted_on".to_owned(), counted.to_owned())]),
            ..Row::default()
        };
        let spares = [spare("2026-11-01"), spare("2026-10-31"), spare("")];
        assert_eq!(uncounted(&spares, "2026-11-22T00:00:00Z".parse().unwrap()).len(), 2);
        assert_eq!(uncounted(&spares, "2026-10-31T16:00:00Z".parse().unwrap()).len(), 2);
        assert_eq!(
            uncounted(&spares, "2026-10-31T15:00:00Z".parse().unwrap()).len(),
            2,
            "of October"
        );
    }
}
