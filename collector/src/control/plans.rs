//! Planned work and topology as the command line asks for them.

use super::{Control, internal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use tocsin_console::backend::{Failure, PlanRequest, Planner};
use tocsin_desk::{
    planned::{BOOK_AHEAD, Planned, PlannedKind},
    record::PlannedFilter,
};
use tocsin_vocabulary::{AssetId, PlannedId, Timestamp};

/// A request about planned work or topology.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum PlanAsk {
    /// Makes a silence, window or guarded period.
    Add {
        /// Which.
        kind: PlannedKind,
        /// What is planned.
        request: Box<PlanRequest>,
    },
    /// Lists them, newest first.
    List {
        /// Which.
        kind: PlannedKind,
        /// Also those that are over.
        all: bool,
    },
    /// Ends one early.
    End {
        /// Which.
        kind: PlannedKind,
        /// Its id.
        id: PlannedId,
    },
    /// Lists assets with what they hang on.
    Assets,
    /// Says what assets hang on.
    Parents {
        /// Asset and parent, by name or id.
        parents: Vec<(String, Option<String>)>,
    },
    /// Lists alerts whose telling is withheld.
    Withheld,
}

impl Control {
    /// Answers a request about planned work or topology.
    pub(super) async fn answer_plan(&self, ask: PlanAsk) -> Result<Value, Failure> {
        let by = Planner {
            login: "cli".to_owned(),
            via: "cli",
        };
        match ask {
            PlanAsk::Add { kind, request } => {
                let planned = self.backend.plan(kind, *request, by).await?;
                let mut value = view(&planned, (self.clock)())?;
                if let Some(warning) = warning(&planned) {
                    value["warning"] = json!(warning);
                }
                Ok(value)
            }
            PlanAsk::End { kind, id } => {
                let planned = self.backend.end_plan(kind, id, by).await?;
                view(&planned, (self.clock)())
            }
            PlanAsk::List { kind, all } => self.list_planned(kind, all).await,
            PlanAsk::Assets => self.assets().await,
            PlanAsk::Parents { parents } => {
                let count = parents.len();
                self.backend.set_parents(parents, by).await?;
                Ok(json!({ "assets": count }))
            }
            PlanAsk::Withheld => serde_json::to_value(self.backend.withheld().await?).map_err(internal),
        }
    }

    async fn list_planned(&self, kind: PlannedKind, all: bool) -> Result<Value, Failure> {
        let mut filter = PlannedFilter {
            kind: Some(kind),
            open_only: !all,
            ..PlannedFilter::default()
        };
        filter.slice.limit = 500;
        let list = self.backend.planned(&filter).await?;
        let items = list.items.iter().map(|planned| view(planned, (self.clock)()));
        let items: Vec<Value> = items.collect::<Result<_, _>>()?;
        Ok(json!({ "items": items, "next": list.next }))
    }

    async fn assets(&self) -> Result<Value, Failure> {
        let places = self.backend.places().await?;
        let names: HashMap<AssetId, &str> = places.iter().map(|place| (place.asset, place.name.as_str())).collect();
        let items: Vec<Value> = places
            .iter()
            .map(|place| {
                let parent_name = place.parent.and_then(|parent| names.get(&parent));
                json!({
                    "asset": place.asset, "host": place.host, "name": place.name, "site": place.site_name,
                    "tags": place.tags, "parent": place.parent, "parent_name": parent_name,
                })
            })
            .collect();
        Ok(json!({ "items": items, "next": null }))
    }
}

/// A row as it is printed: as it is kept, with whether it counts now and when it does.
fn view(planned: &Planned, now: Timestamp) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(planned).map_err(internal)?;
    let times = planned.times(now);
    value["active"] = json!(planned.at(now).is_some());
    value["from"] = json!(times.map(|times| times.from.to_string()));
    value["until"] = json!(times.map(|times| times.to.to_string()));
    Ok(value)
}

/// A guarded period is to be booked three weeks ahead (R32).
fn warning(planned: &Planned) -> Option<&'static str> {
    let late = planned.kind == PlannedKind::Guard && planned.span.from.since(planned.made_at) < BOOK_AHEAD;
    late.then_some("booked less than three weeks ahead: see that people and checks are ready in time")
}
