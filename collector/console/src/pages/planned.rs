//! Planned work: silences, maintenance windows and guarded periods, and what they keep untold now.

use crate::{
    authority::Action,
    backend::{Failure, PlanRequest, Planner},
    guard::{Answer, Visit, nothing, see_other},
    markup::Html,
    planning::{names_of, open},
    shell::{Shell, page},
};
use askama::Template;
use axum::{Form, extract::Path};
use http::StatusCode;
use jiff::civil;
use serde::Deserialize;
use tocsin_desk::{
    model::Role,
    planned::{Names, Planned, PlannedKind},
    withheld::Withheld,
};
use tocsin_vocabulary::{Code, Timestamp, time::HumanDuration, time::parse_duration};

/// A line of a list, and of the board.
pub(crate) struct PlannedRow {
    pub(crate) kind: String,
    pub(crate) scope: String,
    pub(crate) reason: String,
    pub(crate) active: bool,
    pub(crate) from: Option<Html>,
    pub(crate) until: Option<Html>,
    pub(crate) every: String,
    pub(crate) by: String,
    pub(crate) url: String,
}

struct WithheldRow {
    host: String,
    cause: String,
    since: Html,
    until: Option<Html>,
}

/// One choice of a list: what is sent, what is shown, whether it is chosen.
struct Choice {
    value: String,
    name: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "planned.html")]
struct PlannedPage {
    shell: Shell,
    rows: Vec<PlannedRow>,
    withheld: Vec<WithheldRow>,
    may: bool,
    kinds: Vec<Choice>,
    owners: Vec<Choice>,
    hosts: Vec<String>,
    told: Told,
    error: String,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Told {
    kind: String,
    /// Names, separated by commas; so are the following.
    hosts: String,
    sites: String,
    tags: String,
    rules: String,
    instances: String,
    /// `2026-11-22T14:05` in the site's zone.
    from: String,
    until: String,
    /// Such as `2h`.
    lasting: String,
    every: String,
    at: String,
    owner: String,
    reason: String,
}

/// `GET /planned?kind=&host=`.
pub(crate) async fn show(visit: Visit) -> Answer {
    let told = Told {
        kind: visit
            .parameter("kind")
            .unwrap_or_else(|| PlannedKind::Silence.as_str().to_owned()),
        hosts: visit.parameter("host").unwrap_or_default(),
        ..Told::default()
    };
    page(&view(&visit, told, String::new()).await?)
}

/// `POST /planned`.
pub(crate) async fn add(visit: Visit, Form(told): Form<Told>) -> Answer {
    visit.require(Action::PlanWork)?;
    let Err(failure) = send(&visit, &told).await else {
        return Ok(see_other("/planned"));
    };
    if !matches!(failure.code, Code::InvalidInput | Code::NotFound) {
        return Err(failure.into());
    }
    let mut response = page(&view(&visit, told, failure.reason).await?)?;
    *response.status_mut() = StatusCode::BAD_REQUEST;
    Ok(response)
}

/// `POST /planned/{kind}/{id}/end`.
pub(crate) async fn end(visit: Visit, Path((kind, id, action)): Path<(String, String, String)>) -> Answer {
    visit.require(Action::PlanWork)?;
    let kind = PlannedKind::parse(&kind)
        .filter(|_| action == "end")
        .ok_or_else(nothing)?;
    let id = id.parse().map_err(|_| nothing())?;
    visit.console.backend.end_plan(kind, id, planner(&visit)?).await?;
    Ok(see_other("/planned"))
}

/// What counts now, for the board; nothing for those who may not see it.
pub(crate) async fn now(visit: &Visit, shell: &Shell) -> Result<Vec<PlannedRow>, Failure> {
    if !visit.may(Action::ReadPlanned) {
        return Ok(Vec::new());
    }
    let mut planned = open(visit, None).await?;
    planned.retain(|planned| planned.at(visit.now).is_some());
    let names = names_of(visit, &planned).await?;
    Ok(planned.iter().map(|planned| row(shell, planned, &names)).collect())
}

async fn send(visit: &Visit, told: &Told) -> Result<Planned, Failure> {
    let wrong = |reason: &str| Failure::new(Code::InvalidInput, reason);
    let kind = PlannedKind::parse(&told.kind).ok_or_else(|| wrong("field `kind` is none of silence, window, guard"))?;
    let lasting = match told.lasting.trim() {
        "" => None,
        text => Some(HumanDuration(
            parse_duration(text).map_err(|error| wrong(&error.to_string()))?,
        )),
    };
    let zone = &visit.console.options.zone;
    let instant = |text: &str| -> Result<Option<String>, Failure> {
        let Some(text) = Some(text.trim()).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let local: Option<civil::DateTime> = text.parse().ok();
        let zoned = local.and_then(|local| local.to_zoned(zone.clone()).ok());
        let zoned = zoned.ok_or_else(|| wrong("a time is not such as 2026-11-22T14:05"))?;
        Ok(Some(
            Timestamp::from_millis(zoned.timestamp().as_millisecond()).to_string(),
        ))
    };
    let words = |text: &str| -> Vec<String> {
        let words = text.split([',', '\u{ff0c}', '\u{3001}', '\n']).map(str::trim);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let request = PlanRequest {
        hosts: words(&told.hosts),
        sites: words(&told.sites),
        customers: Vec::new(),
        tags: words(&told.tags),
        rules: words(&told.rules),
        instances: words(&told.instances),
        reason: told.reason.trim().to_owned(),
        owner: given(&told.owner).filter(|_| kind != PlannedKind::Silence),
        from: instant(&told.from)?,
        until: instant(&told.until)?,
        lasting,
        every: given(&told.every),
        at: given(&told.at),
        zone: zone.iana_name().map(str::to_owned),
    };
    visit.console.backend.plan(kind, request, planner(visit)?).await
}

fn planner(visit: &Visit) -> Result<Planner, Failure> {
    Ok(Planner {
        login: visit.person()?.login.clone(),
        via: "console",
    })
}

fn row(shell: &Shell, planned: &Planned, names: &Names) -> PlannedRow {
    let times = planned.times(shell.now);
    let kind = planned.kind.as_str();
    PlannedRow {
        kind: shell.word("planned", kind),
        scope: names.scope(&planned.scope).join(" \u{b7} "),
        reason: planned.reason.clone(),
        active: planned.at(shell.now).is_some(),
        from: times.map(|times| shell.exact(times.from)),
        until: times.map(|times| shell.exact(times.to)),
        every: planned
            .span
            .repeats
            .as_ref()
            .map(|repeat| format!("{} {}", repeat.every, repeat.at))
            .unwrap_or_default(),
        by: planned.made_by.clone(),
        url: format!("/planned/{kind}/{}/end", planned.id),
    }
}

fn held(shell: &Shell, withheld: &Withheld) -> WithheldRow {
    WithheldRow {
        host: withheld.asset.name.clone(),
        cause: shell.word("withheld", withheld.cause.as_str()),
        since: shell.ago(withheld.since),
        until: withheld.until.map(|until| shell.exact(until)),
    }
}

async fn view(visit: &Visit, told: Told, error: String) -> Result<PlannedPage, Failure> {
    let shell = Shell::new(visit, "planned");
    let mut planned = open(visit, None).await?;
    // What counts now comes first, then what comes next.
    planned.sort_by_key(|planned| {
        let from = planned
            .times(visit.now)
            .map_or(Timestamp::from_millis(i64::MAX), |times| times.from);
        (planned.at(visit.now).is_none(), from, planned.id)
    });
    let names = names_of(visit, &planned).await?;
    let backend = &visit.console.backend;
    let kinds = PlannedKind::ALL.map(|kind| Choice {
        value: kind.as_str().to_owned(),
        name: shell.word("planned", kind.as_str()),
        chosen: kind.as_str() == told.kind,
    });
    let me = visit.person()?.login.clone();
    let people = backend.people().await?;
    let owners = people
        .into_iter()
        .filter(|person| person.role != Role::Customer)
        .map(|person| Choice {
            chosen: if told.owner.is_empty() {
                person.login == me
            } else {
                person.login == told.owner
            },
            value: person.login,
            name: person.name,
        });
    Ok(PlannedPage {
        rows: planned.iter().map(|planned| row(&shell, planned, &names)).collect(),
        withheld: backend
            .withheld()
            .await?
            .iter()
            .map(|withheld| held(&shell, withheld))
            .collect(),
        may: visit.may(Action::PlanWork),
        kinds: kinds.into(),
        owners: owners.collect(),
        hosts: backend.places().await?.into_iter().map(|place| place.name).collect(),
        told,
        error,
        shell,
    })
}
