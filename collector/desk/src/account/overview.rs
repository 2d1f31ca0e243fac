//! Contracts and their assets over a period: how available they were, and where maintenance ends now.

use super::{
    availability::{self, Availability},
    downtime::{Claim, Downtime},
    extension::{self, Extension, Maintenance},
};
use crate::{calendar::Span, register::Row};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tocsin_vocabulary::Timestamp;

/// An asset over a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How it was.
    pub availability: Availability,
}

/// A contract over a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The customer's name.
    pub customer: String,
    /// What it says of its maintenance.
    pub maintenance: Maintenance,
    /// How far the end has moved, in all its time.
    pub extension: Extension,
    /// How it was: it is down while any of its assets is.
    pub availability: Availability,
    /// Its assets, the least available first.
    pub assets: Vec<AssetLine>,
}

/// Every contract of `contracts`, the least available first. `not_observed` has, by id of the asset, the spans of which
/// nothing is known.
#[must_use]
pub fn overview(
    period: Span,
    contracts: &[Row],
    assets: &[Row],
    downtimes: &[Downtime],
    not_observed: &BTreeMap<String, Vec<Span>>,
    now: Timestamp,
) -> Vec<ContractLine> {
    let claims = |fits: &dyn Fn(&Downtime) -> bool| -> Vec<&Claim> {
        let wanted = downtimes.iter().filter(|downtime| fits(downtime));
        wanted.filter_map(Downtime::counted).collect()
    };
    let mut lines: Vec<ContractLine> = contracts
        .iter()
        .map(|contract| {
            let (name, customer) = (contract.get("name"), contract.get("customer"));
            let covered = |asset: &&Row| asset.get("contract") == name && asset.get("customer") == customer;
            let mut assets: Vec<AssetLine> = assets
                .iter()
                .filter(covered)
                .map(|asset| {
                    let of_asset = claims(&|downtime| downtime.asset.to_string() == asset.id);
                    let unknown = not_observed.get(&asset.id).map_or(&[][..], Vec::as_slice);
                    AssetLine {
                        id: asset.id.clone(),
                        name: asset.get("name").to_owned(),
                        availability: availability::of(period, of_asset, unknown, now),
                    }
                })
                .collect();
            assets.sort_by(|a, b| {
                let order = b.availability.down.cmp(&a.availability.down);
                order.then_with(|| a.name.cmp(&b.name))
            });
            let maintenance = Maintenance::of_row(contract);
            let of_contract = |downtime: &&Downtime| downtime.contract.to_string() == contract.id;
            ContractLine {
                id: contract.id.clone(),
                name: name.to_owned(),
                customer: customer.to_owned(),
                maintenance,
                extension: extension::of(&maintenance, downtimes.iter().filter(of_contract)),
                availability: availability::of(period, claims(&|downtime| of_contract(&downtime)), &[], now),
                assets,
            }
        })
        .collect();
    lines.sort_by(|a, b| {
        let order = b.availability.down.cmp(&a.availability.down);
        order.then_with(|| (&a.customer, &a.name).cmp(&(&b.customer, &b.name)))
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::downtime::{Cause, Line, Turn};
    use std::time::Duration;
    use tocsin_vocabulary::{AssetId, ContractId, CustomerId};

    fn row(id: String, pairs: &[(&str, &str)]) -> Row {
        let values = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Row {
            id,
            values: values.collect(),
            changed_at: None,
        }
    }

    fn down(asset: u8, from: i64, to: i64) -> Downtime {
        let claim = Claim {
            from: Timestamp::from_millis(from),
            to: Some(Timestamp::from_millis(to)),
            cause: Cause::Ours,
            words: "x".to_owned(),
        };
        Downtime {
            id: u64::from(asset),
            ticket: None,
            customer: CustomerId::from_bytes([1; 16]),
            contract: ContractId::from_bytes([1; 16]),
            contract_name: "main".to_owned(),
            asset: AssetId::from_bytes([asset; 16]),
            asset_name: String::new(),
            lines: vec![Line {
                seq: 1,
                at: Timestamp::from_millis(to),
                by: String::new(),
                turn: Turn::Claim(claim),
            }],
        }
    }

    #[test]
    fn a_contract_is_down_while_any_of_its_assets_is_and_the_worst_comes_first() {
        let contract = |n: u8, name: &str| {
            let id = ContractId::from_bytes([n; 16]).to_string();
            row(id, &[("name", name), ("customer", "Bank"), ("ends_on", "2026-12-31")])
        };
        let asset = |n: u8, name: &str| {
            let id = AssetId::from_bytes([n; 16]).to_string();
            row(id, &[("name", name), ("customer", "Bank"), ("contract", "main")])
        };
        let period = Span {
            from: Timestamp::from_millis(0),
            to: Timestamp::from_millis(1_000),
        };
        let lines = overview(
            period,
            &[contract(2, "calm"), contract(1, "main")],
            &[asset(3, "calm-1"), asset(1, "web-1"), asset(2, "web-2")],
            &[down(1, 100, 200), down(2, 150, 400)],
            &BTreeMap::new(),
            Timestamp::from_millis(2_000),
        );
        assert_eq!(lines[0].name, "main");
        assert_eq!(lines[0].availability.down, Duration::from_millis(300));
        let assets: Vec<_> = lines[0]
            .assets
            .iter()
            .map(|one| (one.name.as_str(), one.availability.down.as_millis()))
            .collect();
        assert_eq!(assets, [("web-2", 250), ("web-1", 100), ("calm-1", 0)]);
        assert_eq!(lines[0].extension.days, 0, "nobody has agreed yet");
        assert_eq!(lines[1].availability.times, 0);
    }
}
