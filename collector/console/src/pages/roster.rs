//! Rosters: who is on duty now and in the coming days, and who stands in for whom.

use crate::{
    authority::Action,
    backend::Failure,
    duty::{self, field, moment, name_of, names_of},
    guard::{Answer, Refusal, Visit, nothing, see_other},
    link,
    markup::percent,
    phrases,
    shell::{Shell, page},
    upload::{self, Sent},
};
use askama::Template;
use axum::{
    Form,
    extract::{Path, Request},
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};
use jiff::tz::TimeZone;
use std::{collections::HashMap, time::Duration};
use tocsin_desk::{
    duty::DutyAct,
    model::Person,
    roster::{self, Consent, Move, Post, Roster, Span, ical},
};
use tocsin_sheets::Form as FileForm;
use tocsin_vocabulary::{Code, Language};

/// So many days ahead are shown.
const DAYS: u64 = 30;
/// So many days ahead a phone's calendar has.
const CALENDAR_DAYS: u64 = 90;

struct ShiftRow {
    day: String,
    from: String,
    to: String,
    shift: String,
    main: String,
    deputy: String,
    standby: String,
    leader: String,
    mark: String,
    now: bool,
}

struct ExchangeRow {
    id: u64,
    moves: Vec<String>,
    reason: String,
    by: String,
    state: String,
    /// Whoever looks is the one whose consent it needs.
    mine: bool,
}

struct Plan {
    name: String,
    fallback: String,
    calendar: String,
    sheet: String,
    now: Vec<ShiftRow>,
    next: Option<ShiftRow>,
    rows: Vec<ShiftRow>,
    warnings: Vec<String>,
    exchanges: Vec<ExchangeRow>,
}

#[derive(Template)]
#[template(path = "roster.html")]
struct RosterPage {
    shell: Shell,
    plans: Vec<Plan>,
    people: Vec<(String, String)>,
    me: String,
    may_swap: bool,
    may_manage: bool,
    error: Vec<String>,
}

/// `GET /roster`.
pub(crate) async fn show(visit: Visit) -> Answer {
    page(&view(&visit, Vec::new()).await?)
}

/// `POST /roster/{what}`: swap, override, answer.
pub(crate) async fn act(visit: Visit, Path(what): Path<String>, Form(fields): Form<HashMap<String, String>>) -> Answer {
    let done = match understand(&visit, &what, &fields) {
        Ok(wanted) => duty::act(&visit, wanted).await,
        Err(failure) => Err(failure),
    };
    match done {
        Ok(_) => Ok(see_other("/roster")),
        Err(failure) if matches!(failure.code, Code::Internal | Code::Forbidden) => Err(failure.into()),
        Err(failure) => {
            let status = StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
            let lines = failure.reason.lines().map(str::to_owned).collect();
            let mut response = page(&view(&visit, lines).await?)?;
            *response.status_mut() = status;
            Ok(response)
        }
    }
}

/// `POST /roster/sheet`: days staffed from a file or from words.
pub(crate) async fn import(visit: Visit, request: Request) -> Answer {
    let sent = Sent::of(request).await?;
    let done = match sent.sheet() {
        Ok(sheet) => {
            let name = field(&sent.fields, "roster").to_owned();
            duty::act(&visit, DutyAct::ImportRoster { name, sheet }).await
        }
        Err(failure) => Err(failure),
    };
    match done {
        Ok(_) => Ok(see_other("/roster")),
        Err(failure) => upload::refused(failure, async |lines| page(&view(&visit, lines).await?)).await,
    }
}

/// `GET /roster/{name}/export.xlsx` and `.csv`: the coming days as a sheet that can be imported again.
pub(crate) async fn export(visit: Visit, Path((name, file)): Path<(String, String)>) -> Result<Response, Refusal> {
    let form = file
        .strip_prefix("export.")
        .and_then(FileForm::parse)
        .ok_or_else(nothing)?;
    let backend = &visit.console.backend;
    let plan = backend.rosters().await?.into_iter().find(|plan| plan.name == name);
    let plan = plan.ok_or_else(nothing)?;
    let exchanges = backend.exchanges(visit.now).await?;
    let to = visit.now.plus(Duration::from_secs(DAYS * 86_400));
    let spans = roster::duties(&plan, &exchanges, visit.now, to);
    let (columns, rows) = roster::import::cells(&plan, &spans);
    upload::download(&visit, form, "roster", &columns, rows)
}

fn understand(visit: &Visit, what: &str, fields: &HashMap<String, String>) -> Result<DutyAct, Failure> {
    let text = |name: &str| field(fields, name).to_owned();
    let me = visit.person()?.login.clone();
    let one = |out: String, into: String, from: &str, to: &str| -> Result<Move, Failure> {
        Ok(Move {
            from: moment(visit, fields, from)?,
            to: moment(visit, fields, to)?,
            out,
            into,
        })
    };
    Ok(match what {
        "swap" => {
            let mut moves = vec![one(me.clone(), text("into"), "from", "to")?];
            if !field(fields, "back_from").is_empty() {
                moves.push(one(text("into"), me.clone(), "back_from", "back_to")?);
            }
            DutyAct::Swap {
                roster: text("roster"),
                moves,
                reason: text("reason"),
                asked_by: me,
            }
        }
        "override" => DutyAct::Override {
            roster: text("roster"),
            moves: vec![one(text("out"), text("into"), "from", "to")?],
            reason: text("reason"),
        },
        "answer" => DutyAct::Answer {
            id: duty::number(fields, "id")?,
            agree: field(fields, "agree") == "yes",
            login: me,
        },
        _ => return Err(nothing()),
    })
}

async fn view(visit: &Visit, error: Vec<String>) -> Result<RosterPage, Failure> {
    let shell = Shell::new(visit, "duty");
    let backend = &visit.console.backend;
    let people = backend.people().await?;
    let me = visit.person()?.login.clone();
    let mut plans = Vec::new();
    for roster in backend.rosters().await? {
        plans.push(plan(visit, &shell, &people, &roster, &me).await?);
    }
    let mut names: Vec<(String, String)> = people
        .into_iter()
        .filter(|person| crate::authority::allows(person.role, Action::HandOver))
        .map(|person| (person.login, person.name))
        .collect();
    names.sort();
    Ok(RosterPage {
        may_swap: visit.may(Action::HandOver),
        may_manage: visit.may(Action::ManageDuty),
        shell,
        plans,
        people: names,
        me,
        error,
    })
}

async fn plan(visit: &Visit, shell: &Shell, people: &[Person], plan: &Roster, me: &str) -> Result<Plan, Failure> {
    let backend = &visit.console.backend;
    let now = visit.now;
    let exchanges = backend.exchanges(now).await?;
    let spans = roster::duties(plan, &exchanges, now, now.plus(Duration::from_secs(DAYS * 86_400)));
    let current = roster::now(plan, &exchanges, now);
    let ends = current.iter().map(|span| span.to).min().unwrap_or(now);
    let next = spans.iter().find(|span| span.from >= ends && !current.contains(span));
    // A shift is told in the words of its own wall clock.
    let zone = TimeZone::get(&plan.zone).unwrap_or_else(|_| shell.zone().clone());
    let row = |span: &Span| row(visit, shell, &zone, people, span);
    let exchanges = exchanges.iter().filter(|one| one.roster == plan.name);
    Ok(Plan {
        name: plan.name.clone(),
        fallback: name_of(people, &plan.fallback),
        calendar: format!(
            "/calendar/{}/{}",
            percent(&plan.name),
            link::calendar_tag(&backend.link_key(), &plan.name)
        ),
        sheet: format!("/roster/{}/export.xlsx", percent(&plan.name)),
        now: current.iter().map(row).collect(),
        next: next.map(row),
        rows: spans.iter().map(row).collect(),
        warnings: {
            let warnings = backend.roster_warnings(plan).await?;
            let translated = warnings.iter().map(|line| phrases::in_language(shell.language, line));
            translated.collect()
        },
        exchanges: exchanges
            .map(|one| ExchangeRow {
                id: one.id,
                moves: one
                    .moves
                    .iter()
                    .map(|part| {
                        let (out, into) = (name_of(people, &part.out), name_of(people, &part.into));
                        format!("{out} → {into} · {} – {}", shell.short(part.from), shell.short(part.to))
                    })
                    .collect(),
                reason: one.reason.clone(),
                by: name_of(people, &one.asked_by),
                state: shell.word("exchange", one.consent.as_str()),
                mine: one.consent == Consent::Asked && one.needs.as_deref() == Some(me),
            })
            .collect(),
    })
}

fn row(visit: &Visit, shell: &Shell, zone: &TimeZone, people: &[Person], span: &Span) -> ShiftRow {
    let names = |post: Post| names_of(people, span.staff.of(post));
    let day = jiff::Timestamp::from_millisecond(span.from.as_millis())
        .map(|instant| instant.to_zoned(zone.clone()))
        .map(|time| {
            let weekday = time.weekday().to_monday_one_offset().to_string();
            format!("{} {}", time.strftime("%m-%d"), shell.word("weekday", &weekday))
        });
    let time = |at| crate::moments::clock(at, zone);
    ShiftRow {
        day: day.unwrap_or_default(),
        from: time(span.from),
        to: time(span.to),
        shift: span.shift.clone(),
        main: names(Post::Main),
        deputy: names(Post::Deputy),
        standby: names(Post::Standby),
        leader: names(Post::Leader),
        mark: match (span.changed, span.special) {
            (true, _) => shell.t("roster-changed"),
            (_, true) => shell.t("roster-special"),
            _ => String::new(),
        },
        now: span.from <= visit.now && visit.now < span.to,
    }
}

/// `GET /calendar/{roster}/{tag}`: iCalendar, for whoever was given the link.
pub(crate) async fn calendar(visit: Visit, Path((name, tag)): Path<(String, String)>) -> Result<Response, Refusal> {
    let backend = &visit.console.backend;
    let rosters = backend.rosters().await?;
    let known = rosters.iter().find(|roster| roster.name == name);
    let Some(plan) = known.filter(|_| link::is_calendar_tag(&backend.link_key(), &name, &tag)) else {
        return Err(nothing().into());
    };
    let people = backend.people().await?;
    let exchanges = backend.exchanges(visit.now).await?;
    let to = visit.now.plus(Duration::from_secs(CALENDAR_DAYS * 86_400));
    let spans = roster::duties(plan, &exchanges, visit.now, to);
    let title = match visit.language {
        Language::Chinese => format!("{name} 值班"),
        Language::English => format!("{name} duty"),
    };
    let text = ical::calendar(&title, &spans, None, visit.now, visit.language, |login| {
        name_of(&people, login)
    });
    Ok(([(header::CONTENT_TYPE, "text/calendar; charset=utf-8")], text).into_response())
}
