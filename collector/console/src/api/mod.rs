//! The HTTP API, `/api/v1`. Additive only. Errors are problem documents (RFC 9457), lists have `items` and `next`.

mod accounts;
mod backup_coverage;
mod backups;
mod channels;
mod documents;
mod duty;
mod evidence;
pub(crate) mod fleet;
mod papers;
mod planned;
mod query;
pub use query::QueryAnswer;
pub(crate) mod problem;
mod rulebook;
mod system;
mod views;
mod work;

use crate::{
    authority::Action,
    backend::Failure,
    guard::{Need, Visit},
    state::Console,
};
use axum::{
    Json,
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use tocsin_desk::record::Slice;
use tocsin_vocabulary::{Code, Label};
use utoipa::openapi::{
    InfoBuilder, OpenApi, OpenApiBuilder,
    path::{PathItem, Paths},
    schema::ComponentsBuilder,
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};
use utoipa_axum::{router::UtoipaMethodRouter, routes};

/// Below this stands every documented route.
pub(crate) const ROOT: &str = "/api/v1";

/// Attributes as JSON has them.
fn texts(attributes: Vec<(Label, Label)>) -> BTreeMap<String, String> {
    attributes
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

/// Documented routes with what they need.
fn documented() -> Vec<(Need, UtoipaMethodRouter<Console>)> {
    use Action::{ReadDuty, ReadHosts, ReadPlanned, ReadRegisters, ReadRules, ReadSystem, ReadWork};
    vec![
        (Need::To(ReadHosts), routes!(fleet::hosts)),
        (Need::To(ReadHosts), routes!(fleet::host)),
        (Need::To(ReadHosts), routes!(fleet::series)),
        (Need::To(ReadHosts), routes!(fleet::events)),
        (Need::To(ReadHosts), routes!(documents::list_of)),
        (Need::To(ReadHosts), routes!(documents::one)),
        (Need::To(ReadHosts), routes!(documents::difference)),
        (Need::To(ReadHosts), routes!(documents::parts)),
        (Need::To(ReadHosts), routes!(documents::diagnoses, documents::diagnose)),
        (Need::To(ReadHosts), routes!(query::query)),
        (Need::To(ReadWork), routes!(work::alerts)),
        (Need::To(ReadWork), routes!(evidence::alert)),
        (Need::To(ReadWork), routes!(work::faults)),
        (Need::To(ReadWork), routes!(work::tickets, work::report)),
        (Need::To(ReadWork), routes!(work::ticket)),
        (Need::To(ReadWork), routes!(papers::papers)),
        (Need::To(ReadWork), routes!(work::act)),
        (Need::To(ReadPlanned), routes!(planned::silences, planned::silence)),
        (Need::To(ReadPlanned), routes!(planned::end_silence)),
        (Need::To(ReadPlanned), routes!(planned::windows, planned::window)),
        (Need::To(ReadPlanned), routes!(planned::end_window)),
        (Need::To(ReadPlanned), routes!(planned::guards, planned::guard)),
        (Need::To(ReadPlanned), routes!(planned::end_guard)),
        (Need::To(ReadPlanned), routes!(planned::withheld)),
        (Need::To(ReadPlanned), routes!(planned::topology, planned::hang)),
        (Need::To(ReadDuty), routes!(duty::duty)),
        (Need::To(ReadDuty), routes!(duty::handovers)),
        (Need::To(ReadRegisters), routes!(duty::register)),
        (Need::To(ReadWork), routes!(accounts::downtimes)),
        (Need::To(ReadWork), routes!(accounts::availability)),
        (Need::To(ReadRegisters), routes!(accounts::reports)),
        (Need::To(ReadRules), routes!(system::rules)),
        (Need::To(ReadRules), routes!(rulebook::rule)),
        (Need::To(ReadRules), routes!(rulebook::replay)),
        (Need::To(ReadHosts), routes!(backups::jobs, backups::declare)),
        (Need::To(ReadHosts), routes!(backups::job)),
        (Need::To(ReadHosts), routes!(backups::runs, backups::note)),
        (Need::To(ReadHosts), routes!(backups::uncovered)),
        (Need::To(ReadHosts), routes!(backup_coverage::summary)),
        (Need::To(ReadHosts), routes!(backup_coverage::coverage)),
        (Need::To(ReadSystem), routes!(channels::channels)),
        (Need::To(ReadSystem), routes!(channels::drill)),
        (Need::Nobody, routes!(system::health)),
    ]
}

/// All routes for programs: path, what they need, who answers.
pub(crate) fn table() -> Vec<(String, Need, MethodRouter<Console>)> {
    let mut table: Vec<_> = documented()
        .into_iter()
        .map(|(need, (_, paths, answer))| {
            let path = paths
                .paths
                .keys()
                .next()
                .map(|path| format!("{ROOT}{path}"))
                .unwrap_or_default();
            (path, need, answer)
        })
        .collect();
    table.push((format!("{ROOT}/openapi.json"), Need::Nobody, get(document)));
    table.push((
        "/metrics".to_owned(),
        Need::To(Action::ReadSystem),
        get(system::metrics),
    ));
    table
}

/// The OpenAPI 3.1 document of `/api/v1`.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut paths = Paths::new();
    let mut components = ComponentsBuilder::new();
    for (need, (schemas, of_route, _)) in documented() {
        components = components.schemas_from_iter(schemas);
        for (path, mut item) in of_route.paths {
            if need != Need::Nobody {
                secure(&mut item);
            }
            paths.paths.insert(format!("{ROOT}{path}"), item);
        }
    }
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Tocsin")
                .version("1")
                .description(Some("Hosts, measurements, alerts, faults and tickets. Additive only."))
                .build(),
        )
        .paths(paths)
        .components(Some(components.security_scheme("bearer", bearer).build()))
        .build()
}

/// Marks every operation of a path as asking for a bearer token.
fn secure(item: &mut PathItem) {
    let operations = [&mut item.get, &mut item.post];
    for operation in operations.into_iter().flatten() {
        operation.security = Some(vec![SecurityRequirement::new::<_, [String; 0], String>("bearer", [])]);
    }
}

async fn document() -> Response {
    Json(openapi()).into_response()
}

/// A list as the API answers it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ListOf<T> {
    /// The rows.
    items: Vec<T>,
    /// Give it as `after` to get the following rows; null at the end.
    next: Option<String>,
}

/// JSON of a list.
fn list<T: Serialize>(items: Vec<T>, next: Option<String>) -> Response {
    Json(ListOf { items, next }).into_response()
}

/// The parameters of the query string, each known by name; a mistyped one must not silently change the answer.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn of(visit: &Visit, known: &[&str]) -> Result<Self, Failure> {
        let given = visit.parameters();
        if let Some((name, _)) = given.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            let name: String = name.chars().take(64).collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            return Err(wrong(format!("unknown parameter `{name}`; known: {known}")));
        }
        Ok(Self(given))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A parameter, also an empty one.
    fn given(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter as something else; none when it is not given.
    fn parse<T>(&self, name: &str) -> Result<Option<T>, Failure>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let parsed = self.get(name).map(|text| {
            text.parse()
                .map_err(|error| wrong(format!("parameter `{name}`: {error}")))
        });
        parsed.transpose()
    }

    fn slice(&self) -> Result<Slice, Failure> {
        let limit = self.parse("limit")?.unwrap_or(Slice::default().limit);
        if !(1..=500).contains(&limit) {
            return Err(wrong("parameter `limit` must be 1 to 500"));
        }
        Ok(Slice {
            after: self.get("after").map(str::to_owned),
            limit,
        })
    }
}

fn wrong(reason: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidInput, reason)
}

/// The JSON body of a request.
fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| wrong(format!("body is not the expected JSON: {error}")))
}
