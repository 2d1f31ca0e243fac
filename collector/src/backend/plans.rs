//! Planned work, withheld alerts and topology: names become ids, the desk decides, the ledger tells.

use super::{Wired, failed};
use crate::engine::Command;
use async_trait::async_trait;
use jiff::{civil, tz::TimeZone};
use std::fmt::Display;
use tocsin_console::backend::{Failure, PlanRequest, Planner, Plans};
use tocsin_desk::{
    input::PlanChange,
    planned::{NewPlanned, Planned, PlannedKind, Repeat, Scope, Span},
    record::{AuditLine, List, PlannedFilter},
    topology::{Landscape, Place},
    withheld::Withheld,
};
use tocsin_vocabulary::{
    AlertId, AssetId, Code, CustomerId, PersonId, PlannedId, SiteId, TicketId, Timestamp, time::parse_duration,
};

/// The zone that every site begins with.
const ZONE: &str = "Asia/Shanghai";
/// Most assets whose parents are said at once.
const PARENTS_MAX: usize = 10_000;

#[async_trait]
impl Plans for Wired {
    async fn plan(&self, kind: PlannedKind, request: PlanRequest, by: Planner) -> Result<Planned, Failure> {
        let now = (self.clock)();
        let scope = self.scope(&request).await?;
        let owner = match request
            .owner
            .as_deref()
            .map(str::trim)
            .filter(|owner| !owner.is_empty())
        {
            Some(owner) => Some(self.owner(owner).await?),
            None => None,
        };
        let new = NewPlanned {
            kind,
            scope,
            span: span(&request, now)?,
            reason: request.reason,
            owner,
            made_by: by.login.clone(),
        };
        self.engine.plan(PlanChange::Add(Box::new(new)), by).await
    }

    async fn end_plan(&self, kind: PlannedKind, id: PlannedId, by: Planner) -> Result<Planned, Failure> {
        let filter = PlannedFilter {
            kind: Some(kind),
            open_only: true,
            ..PlannedFilter::default()
        };
        let mut after = None;
        loop {
            let mut slice = filter.clone();
            slice.slice.after = after;
            let list = self.planned(&slice).await?;
            if list.items.iter().any(|planned| planned.id == id) {
                break;
            }
            after = list.next;
            if after.is_none() {
                let reason = format!("there is no {} {id}, or it is over: see the list", kind.as_str());
                return Err(Failure::new(Code::NotFound, reason));
            }
        }
        let login = by.login.clone();
        self.engine.plan(PlanChange::End { id, by: login }, by).await
    }

    async fn planned(&self, filter: &PlannedFilter) -> Result<List<Planned>, Failure> {
        self.ledger.planned(filter).await.map_err(failed)
    }

    async fn withheld(&self) -> Result<Vec<Withheld>, Failure> {
        self.ledger.withheld().await.map_err(failed)
    }

    async fn withheld_under(&self, ticket: TicketId) -> Result<Vec<Withheld>, Failure> {
        self.ledger.withheld_under(ticket).await.map_err(failed)
    }

    async fn withheld_of(&self, alert: AlertId) -> Result<Option<Withheld>, Failure> {
        self.ledger.withheld_of(alert).await.map_err(failed)
    }

    async fn places(&self) -> Result<Vec<Place>, Failure> {
        self.ledger.places().await.map_err(failed)
    }

    async fn set_parents(&self, parents: Vec<(String, Option<String>)>, by: Planner) -> Result<(), Failure> {
        if parents.is_empty() || parents.len() > PARENTS_MAX {
            let reason = format!("name 1 to {PARENTS_MAX} assets at once");
            return Err(Failure::new(Code::InvalidInput, reason));
        }
        let places = self.places().await?;
        let known = named(&places);
        let mut wanted = Vec::new();
        for (asset, parent) in &parents {
            let parent = parent
                .as_deref()
                .map(|parent| find(&known, parent, "asset"))
                .transpose()?;
            wanted.push((find(&known, asset, "asset")?, parent));
        }
        check(&places, &wanted)?;
        let lines: Vec<AuditLine> = parents
            .iter()
            .map(|(asset, parent)| AuditLine {
                at: (self.clock)(),
                actor: by.login.clone(),
                via: by.via.to_owned(),
                action: "asset.parent".to_owned(),
                subject: asset.clone(),
                detail: parent.clone().unwrap_or_default(),
            })
            .collect();
        self.ledger.set_parents(&wanted, &lines).await.map_err(failed)?;
        self.engine.send(Command::Places).await;
        Ok(())
    }
}

impl Wired {
    async fn scope(&self, request: &PlanRequest) -> Result<Scope, Failure> {
        let places = if request.hosts.is_empty() && request.customers.is_empty() {
            Vec::new()
        } else {
            self.places().await?
        };
        let sites = if request.sites.is_empty() {
            Vec::new()
        } else {
            self.ledger.site_names().await.map_err(failed)?
        };
        let customers: Vec<(CustomerId, String)> = if request.customers.is_empty() {
            Vec::new()
        } else {
            self.ledger.customers().await.map_err(failed)?
        };
        let assets = named(&places);
        let words = |words: &[String]| words.iter().map(|word| word.trim().to_owned()).collect();
        Ok(Scope {
            assets: find_all(&assets, &request.hosts, "host")?,
            sites: find_all::<SiteId, _>(&sites, &request.sites, "site")?,
            customers: find_all(&customers, &request.customers, "customer")?,
            tags: words(&request.tags),
            rules: words(&request.rules),
            instances: words(&request.instances),
        })
    }

    async fn owner(&self, owner: &str) -> Result<PersonId, Failure> {
        let people = self.ledger.people().await.map_err(failed)?;
        let id = owner.parse().ok();
        let found = people
            .iter()
            .find(|person| person.login == owner || Some(person.id) == id);
        found.map(|person| person.id).ok_or_else(|| {
            Failure::new(
                Code::NotFound,
                format!("there is no person `{owner}`: see `tocsin-collector user list`"),
            )
        })
    }
}

/// Assets by the names and the ids that people use: an agent's host id means its asset.
fn named(places: &[Place]) -> Vec<(AssetId, String)> {
    let by_host = places
        .iter()
        .filter_map(|place| Some((place.asset, place.host?.to_string())));
    let by_name = places.iter().map(|place| (place.asset, place.name.clone()));
    by_name.chain(by_host).collect()
}

fn find_all<I: Copy + Display, N: AsRef<str>>(
    known: &[(I, N)],
    wanted: &[String],
    what: &str,
) -> Result<Vec<I>, Failure> {
    wanted.iter().map(|name| find(known, name.trim(), what)).collect()
}

fn find<I: Copy + Display, N: AsRef<str>>(known: &[(I, N)], wanted: &str, what: &str) -> Result<I, Failure> {
    let mut found = known
        .iter()
        .filter(|(id, name)| name.as_ref() == wanted || id.to_string() == wanted);
    match (found.next(), found.next()) {
        (Some((id, _)), None) => Ok(*id),
        (Some(_), Some(_)) => {
            let reason = format!("several are called `{wanted}`: name the {what} by its id");
            Err(Failure::new(Code::InvalidInput, reason))
        }
        (None, _) => Err(Failure::new(Code::NotFound, format!("there is no {what} `{wanted}`"))),
    }
}

/// Refuses rings, with all that is wanted taken together.
fn check(places: &[Place], wanted: &[(AssetId, Option<AssetId>)]) -> Result<(), Failure> {
    let moved = |place: &Place| {
        wanted
            .iter()
            .rev()
            .find(|(asset, _)| *asset == place.asset)
            .map(|(_, parent)| *parent)
    };
    let mut landscape = Landscape::default();
    let mut hanging = Vec::new();
    for place in places {
        let parent = moved(place).unwrap_or(place.parent);
        landscape.put(Place {
            parent: None,
            ..place.clone()
        });
        hanging.extend(parent.map(|parent| (place, parent)));
    }
    for (place, parent) in hanging {
        landscape
            .may_hang(place.asset, parent)
            .map_err(|reason| Failure::new(Code::InvalidInput, format!("{}: {reason}", place.name)))?;
        landscape.put(Place {
            parent: Some(parent),
            ..place.clone()
        });
    }
    Ok(())
}

fn span(request: &PlanRequest, now: Timestamp) -> Result<Span, Failure> {
    let wrong = |reason: String| Failure::new(Code::InvalidInput, reason);
    let zone = request
        .zone
        .as_deref()
        .map(str::trim)
        .filter(|zone| !zone.is_empty())
        .unwrap_or(ZONE);
    let read = |text: &Option<String>| -> Result<Option<Timestamp>, Failure> {
        let text = text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        text.map(|text| instant(text, zone, now)).transpose()
    };
    let from = read(&request.from)?.unwrap_or(now);
    let until = read(&request.until)?;
    let Some(every) = request
        .every
        .as_deref()
        .map(str::trim)
        .filter(|every| !every.is_empty())
    else {
        if request.at.as_deref().is_some_and(|at| !at.trim().is_empty()) {
            return Err(wrong(
                "a time of day needs the days: say `every`, such as daily".to_owned(),
            ));
        }
        let to = match (until, request.lasting) {
            (Some(_), Some(_)) => return Err(wrong("say either until when or for how long".to_owned())),
            (until, lasting) => until.or(lasting.map(|lasting| from.plus(lasting.0))),
        };
        return Ok(Span {
            from,
            to,
            repeats: None,
        });
    };
    let every = every.parse().map_err(|error| wrong(format!("every: {error}")))?;
    let at = request.at.clone().unwrap_or_default().trim().to_owned();
    let lasting = request
        .lasting
        .ok_or_else(|| wrong("say for how long each time takes, such as 2h".to_owned()))?;
    Ok(Span {
        from,
        to: until,
        repeats: Some(Repeat {
            every,
            at,
            lasting,
            zone: zone.to_owned(),
        }),
    })
}

/// RFC 3339, epoch milliseconds, a local time of the zone, or a duration from now.
fn instant(text: &str, zone: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let wrong = |reason: String| Failure::new(Code::InvalidInput, reason);
    if let Some(ahead) = text.strip_prefix('+') {
        return parse_duration(ahead)
            .map(|ahead| now.plus(ahead))
            .map_err(|error| wrong(error.to_string()));
    }
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let local: civil::DateTime = text.parse().map_err(|_| {
        wrong(format!(
            "`{text}` is not a time: expected 2026-11-22T02:00, 2026-11-22T02:00:00+08:00 or +2h"
        ))
    })?;
    let zone = TimeZone::get(zone).map_err(|_| wrong(format!("`{zone}` is not a zone such as {ZONE}")))?;
    let zoned = local.to_zoned(zone).map_err(|error| wrong(error.to_string()))?;
    Ok(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tocsin_vocabulary::time::HumanDuration;

    const NOW: Timestamp = Timestamp::from_millis(1_795_316_645_000);

    fn hours(n: u64) -> HumanDuration {
        HumanDuration(Duration::from_secs(n * 3_600))
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, expected) in [
            ("+2h", NOW.plus(hours(2).0).to_string()),
            ("2026-11-23T02:00", "2026-11-22T18:00:00.000Z".to_owned()),
            ("2026-11-23T02:00:00Z", "2026-11-23T02:00:00.000Z".to_owned()),
        ] {
            assert_eq!(instant(text, ZONE, NOW).unwrap().to_string(), expected, "{text}");
        }
        assert!(instant("soon", ZONE, NOW).unwrap_err().reason.contains("soon"));
    }

    #[test]
    fn a_span_needs_an_end_in_one_way_and_days_for_a_time_of_day() {
        let request = PlanRequest {
            lasting: Some(hours(1)),
            ..PlanRequest::default()
        };
        assert_eq!(span(&request, NOW).unwrap(), Span::once(NOW, NOW.plus(hours(1).0)));
        let both = PlanRequest {
            until: Some("+1h".to_owned()),
            ..request.clone()
        };
        assert!(span(&both, NOW).is_err());
        let daily = PlanRequest {
            every: Some("daily".to_owned()),
            at: Some("02:00".to_owned()),
            ..request
        };
        assert_eq!(span(&daily, NOW).unwrap().repeats.unwrap().zone, ZONE);
        assert!(
            span(
                &PlanRequest {
                    lasting: None,
                    ..daily.clone()
                },
                NOW
            )
            .is_err()
        );
        assert!(span(&PlanRequest { every: None, ..daily }, NOW).is_err());
    }

    #[test]
    fn two_assets_may_change_places_but_make_no_ring() {
        let place = |n: u8, parent: Option<u8>| Place {
            asset: AssetId::from_bytes([n; 16]),
            host: None,
            name: format!("a{n}"),
            customer: CustomerId::from_bytes([1; 16]),
            site: SiteId::from_bytes([1; 16]),
            site_name: String::new(),
            tags: Vec::new(),
            parent: parent.map(|n| AssetId::from_bytes([n; 16])),
        };
        let asset = |n: u8| AssetId::from_bytes([n; 16]);
        let places = [place(1, Some(2)), place(2, None)];
        assert!(check(&places, &[(asset(1), None), (asset(2), Some(asset(1)))]).is_ok());
        assert!(
            check(&places, &[(asset(2), Some(asset(1)))])
                .unwrap_err()
                .reason
                .contains("hang on itself")
        );
    }
}
