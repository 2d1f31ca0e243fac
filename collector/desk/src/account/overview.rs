//! Contracts and their assets over a period: how available they were, and where maintenance ends now.

use super::{
    availability::{self, Availability},
    downtime::{Claim, Downtime, merged},
    extension::{self, Extension, Maintenance},
};
use crate::{calendar::Span, register::Row};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tocsin_vocabulary::{AssetId, Timestamp};

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

/// By id of the asset, the spans of a period in which no host watched it: before the host was enrolled, after it was last
/// heard, and all of it for an asset without one. `watched` has assets with the time from enrolment to the last tick; where
/// the store of samples is asked as well, it finds the gaps between.
#[must_use]
pub fn unwatched(
    period: Span,
    assets: &[Row],
    watched: impl IntoIterator<Item = (AssetId, Span)>,
) -> BTreeMap<String, Vec<Span>> {
    let watched: BTreeMap<String, Span> = watched.into_iter().map(|(id, span)| (id.to_string(), span)).collect();
    let outside = |asset: &Row| match watched.get(&asset.id) {
        None => vec![period],
        Some(known) => {
            let before = Span {
                from: period.from,
                to: known.from.min(period.to),
            };
            let after = Span {
                from: known.to.max(period.from),
                to: period.to,
            };
            merged([before, after])
        }
    };
    assets.iter().map(|asset| (asset.id.clone(), outside(asset))).collect()
}

/// What lies in every one of these lists: a contract is unknown while nothing is known of any of its assets. All of the
/// period where there is no list.
fn common<'a>(period: Span, lists: impl IntoIterator<Item = &'a [Span]>) -> Vec<Span> {
    let mut left = vec![period];
    for list in lists {
        let list = merged(list.iter().copied());
        let shared = left.iter().flat_map(|one| {
            list.iter().map(|other| Span {
                from: one.from.max(other.from),
                to: one.to.min(other.to),
            })
        });
        left = shared.filter(|span| span.from < span.to).collect();
    }
    left
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
    let unknown = |asset: &str| not_observed.get(asset).map_or(&[][..], Vec::as_slice);
    let mut lines: Vec<ContractLine> = contracts
        .iter()
        .map(|contract| {
            let (name, customer) = (contract.get("name"), contract.get("customer"));
            let covered = |asset: &&Row| asset.get("contract") == name && asset.get("customer") == customer;
            let own: Vec<&Row> = assets.iter().filter(covered).collect();
            let nobody_knows = common(period, own.iter().map(|asset| unknown(&asset.id)));
            let mut assets: Vec<AssetLine> = own
                .into_iter()
                .map(|asset| {
                    let of_asset = claims(&|downtime| downtime.asset.to_string() == asset.id);
                    let unknown = unknown(&asset.id);
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
                availability: availability::of(period, claims(&|downtime| of_contract(&downtime)), &nobody_knows, now),
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
    use tocsin_vocabulary::{ContractId, CustomerId};

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

    #[test]
    fn what_nobody_watched_is_not_observed_and_a_contract_is_while_all_its_assets_are() {
        let id = |n: u8| AssetId::from_bytes([n; 16]);
        let asset = |n: u8, contract: &str| {
            let pairs = [("name", "a"), ("customer", "Bank"), ("contract", contract)];
            row(id(n).to_string(), &pairs)
        };
        let contract = |n: u8, name: &str| {
            let id = ContractId::from_bytes([n; 16]).to_string();
            row(id, &[("name", name), ("customer", "Bank")])
        };
        let span = |from, to| Span {
            from: Timestamp::from_millis(from),
            to: Timestamp::from_millis(to),
        };
        let assets = [asset(1, "main"), asset(2, "main"), asset(3, "dark")];
        let watched = [(id(1), span(200, 600)), (id(2), span(300, 5_000))];
        let unknown = unwatched(span(0, 1_000), &assets, watched);
        let lines = overview(
            span(0, 1_000),
            &[contract(1, "main"), contract(2, "dark"), contract(3, "empty")],
            &assets,
            &[],
            &unknown,
            Timestamp::from_millis(2_000),
        );
        let of = |name: &str| {
            let line = lines.iter().find(|line| line.name == name).unwrap();
            line.availability.not_observed.as_millis()
        };
        assert_eq!((of("main"), of("dark"), of("empty")), (200, 1_000, 1_000));
        let main = lines.iter().find(|line| line.name == "main").unwrap();
        let unseen: Vec<u128> = main
            .assets
            .iter()
            .map(|one| one.availability.not_observed.as_millis())
            .collect();
        assert_eq!(unseen, [200 + 400, 300]);
    }
}
