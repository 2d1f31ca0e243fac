//! Silences, maintenance windows and guarded periods; what is withheld; what assets hang on.

use super::Failure;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tocsin_desk::{
    planned::{Planned, PlannedKind},
    record::{List, PlannedFilter},
    topology::Place,
    withheld::Withheld,
};
use tocsin_vocabulary::{AlertId, PlannedId, TicketId, time::HumanDuration};
use utoipa::ToSchema;

/// What somebody plans, in the words of people: names or ids, and times as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanRequest {
    /// Hosts or other assets, by name or id.
    pub hosts: Vec<String>,
    /// Sites, by name or id.
    pub sites: Vec<String>,
    /// Customers, by name or id.
    pub customers: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Rules; `*` stands for any characters.
    pub rules: Vec<String>,
    /// Instances such as `*mountpoint=/data*`; `*` stands for any characters.
    pub instances: Vec<String>,
    /// Why.
    pub reason: String,
    /// Login or id of who answers for it.
    pub owner: Option<String>,
    /// From when: RFC 3339, `2026-11-22T02:00` in `zone`, or `+2h` for two hours from now; now without it.
    pub from: Option<String>,
    /// Until when: as `from`.
    pub until: Option<String>,
    /// How long, in place of `until`; of a window that repeats, how long each time takes.
    #[serde(rename = "for")]
    #[schema(value_type = Option<String>)]
    pub lasting: Option<HumanDuration>,
    /// On which days a window repeats: `daily`, `weekly mon,thu`, `monthly 15`, `monthly 2nd tue`, `monthly last sun`.
    pub every: Option<String>,
    /// At what time of day it repeats, `HH:MM` in `zone`.
    pub at: Option<String>,
    /// IANA zone of times and days; `Asia/Shanghai` without it.
    pub zone: Option<String>,
}

/// Who does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planner {
    /// Login, or `cli`.
    pub login: String,
    /// `console`, `api` or `cli`.
    pub via: &'static str,
}

/// What is planned, and what it keeps untold.
#[async_trait]
pub trait Plans: Send + Sync {
    /// Makes a silence, window or guarded period. Audited.
    async fn plan(&self, kind: PlannedKind, request: PlanRequest, by: Planner) -> Result<Planned, Failure>;
    /// Ends one of this kind before its time: what still holds is told at once. Audited.
    async fn end_plan(&self, kind: PlannedKind, id: PlannedId, by: Planner) -> Result<Planned, Failure>;
    /// Silences, windows and guarded periods, newest first.
    async fn planned(&self, filter: &PlannedFilter) -> Result<List<Planned>, Failure>;
    /// Alerts whose telling is withheld now.
    async fn withheld(&self) -> Result<Vec<Withheld>, Failure>;
    /// Alerts that are withheld now because this ticket's fault explains them.
    async fn withheld_under(&self, ticket: TicketId) -> Result<Vec<Withheld>, Failure>;
    /// Why an alert was withheld the last time.
    async fn withheld_of(&self, alert: AlertId) -> Result<Option<Withheld>, Failure>;
    /// Every asset with what it hangs on, by name.
    async fn places(&self) -> Result<Vec<Place>, Failure>;
    /// Says what assets hang on, each by name or id; none: on nothing. All or nothing; rings are refused. Audited.
    async fn set_parents(&self, parents: Vec<(String, Option<String>)>, by: Planner) -> Result<(), Failure>;
}
