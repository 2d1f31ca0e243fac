//! One ticket: what is wrong, how long have I got, what next?

use super::{
    accounts::{self, Account},
    diagnose::{self, DiagnosisRow},
    papers::{self, Brief},
    ticket_choices::{Choices, choices},
    ticket_place::{self, Place},
    ticket_sheet::{self, Beside},
    tickets::Row,
};
use crate::{
    authority,
    backend::Failure,
    clocks::ClockView,
    graph::{self, Around},
    guard::{Answer, Visit, nothing, see_other},
    markup::Html,
    phrases::in_language,
    published,
    shell::{Shell, page},
    steps,
};
use askama::Template;
use axum::{Form, extract::Path};
use http::StatusCode;
use std::{collections::HashMap, time::Duration};
use tocsin_chart::Y;
use tocsin_desk::{
    input::Act,
    life::{self, ActionKind},
    model::{Actor, Alert, AlertState, Arrival, Entry, Person, Ticket, Via},
    record::{PageFilter, PageRecord, Slice},
};
use tocsin_vocabulary::{Code, Timestamp};

/// Before the fault began and after it cleared the chart shows as much time as it lasted: at most this …
const AROUND_FAULT_MAX: Duration = Duration::from_secs(30 * 60);
/// … and at least this much, so that a short fault is not a dash in an hour.
const AROUND_FAULT_MIN: Duration = Duration::from_secs(5 * 60);
/// The longest stretch that the chart shows.
const CHART_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Alerts of a ticket that are listed, newest first.
const EVIDENCE_SHOWN: usize = 20;
/// Pages of a ticket that are shown.
const PAGES_MAX: u32 = 200;

struct Field {
    name: &'static str,
    label: String,
    value: String,
    /// What can be chosen: value and name; empty: whatever is typed.
    choices: Vec<(String, String)>,
    long: bool,
    needed: bool,
    hint: String,
}

/// A button with what it asks for.
struct StepForm {
    key: &'static str,
    name: String,
    url: String,
    fields: Vec<Field>,
    open: bool,
    error: String,
}

struct Line {
    at: Html,
    who: String,
    what: String,
    via: String,
    note: String,
    tone: &'static str,
    /// The note's number, where it can be shown to the customer.
    publish: Option<u64>,
    /// The customer can read it.
    published: bool,
    /// The note's number, where it can be taken back from the customer.
    unpublish: Option<u64>,
}

struct Times {
    occurred: Html,
    discovered: Html,
    reported: Html,
    accepted: Option<Html>,
}

/// One chart for where there is room, and for a phone; the style sheet shows one of them.
pub(crate) struct Sizes {
    pub(crate) wide: Html,
    pub(crate) narrow: Html,
}

#[derive(Template)]
#[template(path = "ticket.html")]
struct TicketPage {
    shell: Shell,
    row: Row,
    host_url: Option<String>,
    revision: u64,
    times: Times,
    place: Place,
    clocks: Vec<ClockView>,
    next: Option<StepForm>,
    more: Vec<StepForm>,
    lines: Vec<Line>,
    chart: Option<Sizes>,
    said: String,
    remedy: String,
    severity: String,
    seen: String,
    /// Where its host is asked for a snapshot; none for a ticket about no host.
    diagnose_url: Option<String>,
    diagnoses: Vec<DiagnosisRow>,
    evidence: Vec<EvidenceRow>,
    knowledge: Option<String>,
    knowledge_url: Option<String>,
    beside: Beside,
    papers: Brief,
    account: Account,
    error: String,
}

/// An alert of the ticket, and where its evidence is.
struct EvidenceRow {
    url: String,
    title: String,
    arrival: String,
    silence: String,
    at: Html,
}

/// What was tried and failed, to be shown in place with the input kept.
struct Tried {
    kind: ActionKind,
    fields: HashMap<String, String>,
    failure: Failure,
}

/// `GET /t/{number}`.
pub(crate) async fn show(visit: Visit, Path(number): Path<String>) -> Answer {
    let ticket = find(&visit, &number).await?;
    page(&view(&visit, &ticket, None).await?)
}

/// `POST /t/{number}/{action}`.
pub(crate) async fn act(
    visit: Visit,
    Path((number, word)): Path<(String, String)>,
    Form(fields): Form<HashMap<String, String>>,
) -> Answer {
    let kind = ActionKind::parse(&word).ok_or_else(nothing)?;
    visit.require(steps::needs(kind))?;
    let ticket = find(&visit, &number).await?;
    let failure = match attempt(&visit, &ticket, kind, &fields).await {
        Ok(ticket) => return Ok(see_other(&format!("/t/{}", ticket.number))),
        Err(failure) if failure.code == Code::Internal => return Err(failure.into()),
        Err(failure) => failure,
    };
    let status = StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    let ticket = find(&visit, &number).await?;
    let mut response = page(&view(&visit, &ticket, Some(Tried { kind, fields, failure })).await?)?;
    *response.status_mut() = status;
    Ok(response)
}

async fn attempt(
    visit: &Visit,
    ticket: &Ticket,
    kind: ActionKind,
    fields: &HashMap<String, String>,
) -> Result<Ticket, Failure> {
    let people = assignable(visit, kind).await?;
    let action = steps::action(kind, fields, &people, visit.now)?;
    // A note never conflicts: it adds and changes nothing.
    let revision = fields
        .get("revision")
        .and_then(|text| text.parse().ok())
        .filter(|_| kind != ActionKind::Note);
    let person = visit.person()?;
    let actor = Actor::Person(person.id, person.name.clone());
    visit
        .console
        .backend
        .act(Act {
            ticket: ticket.id,
            actor,
            via: Via::Console,
            action,
            revision,
        })
        .await
}

/// A ticket's number as people write it: `1042`, `#1042`, or what a browser makes of that.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = text
        .strip_prefix("%23")
        .or_else(|| text.strip_prefix('#'))
        .unwrap_or(text);
    digits.parse().ok()
}

pub(super) async fn find(visit: &Visit, number: &str) -> Result<Ticket, Failure> {
    let number = self::number(number).ok_or_else(nothing)?;
    let ticket = visit.console.backend.ticket(number).await?.ok_or_else(nothing)?;
    visit.must_see(ticket.customer)?;
    Ok(ticket)
}

/// Those to whom work can be given; nobody when the action gives none.
pub(super) async fn assignable(visit: &Visit, kind: ActionKind) -> Result<Vec<Person>, Failure> {
    if kind != ActionKind::Assign {
        return Ok(Vec::new());
    }
    let mut people = visit.console.backend.people().await?;
    people.retain(|person| authority::allows(person.role, authority::Action::WorkTicket));
    Ok(people)
}

async fn view(visit: &Visit, ticket: &Ticket, tried: Option<Tried>) -> Result<TicketPage, Failure> {
    let of = ticket.host.map(|id| id.to_string()).unwrap_or_default();
    let shell = Shell::new(visit, "tickets").with_ticks(of);
    let backend = &visit.console.backend;
    let alerts = backend.alerts_of_ticket(ticket.id).await?;
    let mut entries = backend.entries(ticket.id).await?;
    let sheet = backend.ticket_sheet(ticket.id).await?;
    let bound = published::is_bound(visit);
    let mut ticket = ticket.clone();
    published::cut(visit, &mut ticket, &mut entries, &sheet).await?;
    let ticket = &ticket;
    let account = accounts::of_ticket(visit, &shell, ticket).await?;
    let beside = ticket_sheet::beside(visit, &shell, ticket, &alerts, &sheet).await?;
    let slice = Slice {
        after: None,
        limit: PAGES_MAX,
    };
    let filter = PageFilter {
        ticket: Some(ticket.id),
        slice,
        ..PageFilter::default()
    };
    let pages = if bound {
        Vec::new()
    } else {
        backend.pages(&filter).await?.items
    };
    let choices = choices(visit, &shell, ticket).await?;
    let (next, more) = forms(visit, &shell, ticket, &choices, tried.as_ref());
    let error = match &tried {
        Some(tried) if !more.iter().chain(&next).any(|form| form.open) => {
            in_language(visit.language, &tried.failure.reason)
        }
        _ => String::new(),
    };
    let knowledge = alerts
        .iter()
        .find_map(|alert| alert.ruling.knowledge.clone())
        .filter(|_| !bound);
    let diagnoses = if bound {
        Vec::new()
    } else {
        backend.diagnoses_of_ticket(ticket.id).await?
    };
    let names = super::tickets::customers(visit).await?;
    let mut rows = super::tickets::rows(&shell, std::slice::from_ref(ticket), &names);
    let row = rows.pop().ok_or_else(nothing)?;
    Ok(TicketPage {
        said: format!("#{} {}", row.number, row.state),
        row,
        host_url: ticket.host.map(|id| format!("/hosts/{id}")),
        revision: ticket.revision,
        times: times(&shell, ticket),
        place: ticket_place::place(visit, &shell, ticket).await?,
        clocks: shell.clocks(ticket),
        next,
        more,
        lines: timeline(&shell, &entries, &pages, &sheet.published, beside.may_write),
        beside,
        account,
        chart: chart(visit, &shell, &alerts).await?,
        remedy: shell.text(&ticket.remedy).to_owned(),
        severity: shell.severity(ticket.severity),
        seen: seen(&shell, &alerts),
        diagnose_url: ticket
            .host
            .filter(|_| !bound)
            .map(|id| format!("/hosts/{id}/diagnose?ticket={}", ticket.number)),
        knowledge_url: knowledge.clone().filter(|link| super::alert::is_web(link)),
        knowledge,
        evidence: evidence(&shell, &alerts),
        diagnoses: diagnose::rows(&shell, &diagnoses),
        papers: papers::brief(visit, &shell, ticket).await?,
        error,
        shell,
    })
}

/// What the newest alert measures, and its threshold: `97 % · 90 %`. One that cleared has a healthy value, which would
/// mislead beside the fault.
fn seen(shell: &Shell, alerts: &[Alert]) -> String {
    let Some(alert) = alerts.first().filter(|alert| alert.state == AlertState::Raised) else {
        return String::new();
    };
    let figure = |value| crate::figures::measured(shell, &alert.metric, value);
    match (alert.value, alert.threshold) {
        (Some(_), Some(_)) => format!("{} · {}", figure(alert.value), figure(alert.threshold)),
        (value, _) => figure(value),
    }
}

/// The four times as its clocks know them, so that what is entered late shows here too. A ticket from before they were
/// kept has only its own.
fn times(shell: &Shell, ticket: &Ticket) -> Times {
    let moments = &ticket.reckoning.moments;
    let kept = |at: Timestamp| {
        shell.exact(if at == Timestamp::default() {
            ticket.opened_at
        } else {
            at
        })
    };
    Times {
        occurred: kept(moments.occurred),
        discovered: kept(moments.discovered),
        reported: kept(moments.reported),
        accepted: moments.accepted.map(|at| shell.exact(at)),
    }
}

/// The one form that the state wants, and the others.
fn forms(
    visit: &Visit,
    shell: &Shell,
    ticket: &Ticket,
    choices: &Choices,
    tried: Option<&Tried>,
) -> (Option<StepForm>, Vec<StepForm>) {
    let allowed = |kind: &ActionKind| visit.may(steps::needs(*kind));
    let form = |kind: ActionKind| form(shell, ticket, kind, choices, tried.filter(|tried| tried.kind == kind));
    let wanted = life::next_step(ticket.state).filter(allowed);
    let others = life::actions(ticket.state)
        .iter()
        .copied()
        .filter(allowed)
        .filter(|kind| Some(*kind) != wanted);
    (wanted.map(form), others.map(form).collect())
}

fn form(shell: &Shell, ticket: &Ticket, kind: ActionKind, choices: &Choices, tried: Option<&Tried>) -> StepForm {
    let value = |name: &str| {
        tried
            .and_then(|tried| tried.fields.get(name))
            .cloned()
            .unwrap_or_default()
    };
    let fields = steps::fields(kind)
        .iter()
        .map(|name| Field {
            name,
            label: shell.word("field", name),
            value: value(name),
            choices: match *name {
                "person" => choices.people.clone(),
                "into" => choices.tickets.clone(),
                _ => Vec::new(),
            },
            long: matches!(*name, "cause" | "solution" | "text"),
            needed: *name != "until",
            hint: if *name == "until" {
                shell.t("field-until-hint")
            } else {
                String::new()
            },
        })
        .collect();
    StepForm {
        key: kind.as_str(),
        name: shell.word("step", kind.as_str()),
        url: format!("/t/{}/{}", ticket.number, kind.as_str()),
        fields,
        open: tried.is_some(),
        error: tried
            .map(|tried| in_language(shell.language, &tried.failure.reason))
            .unwrap_or_default(),
    }
}

/// Entries and pages in one line of time, newest first.
fn timeline(shell: &Shell, entries: &[Entry], pages: &[PageRecord], published: &[u64], may: bool) -> Vec<Line> {
    let mut lines: Vec<(Timestamp, Line)> = entries
        .iter()
        .map(|entry| {
            let shown = published.contains(&entry.seq);
            let line = Line {
                publish: Some(entry.seq).filter(|_| may && !shown && entry.action == "note"),
                published: shown,
                unpublish: Some(entry.seq).filter(|_| may && shown),
                ..entry_line(shell, entry)
            };
            (entry.at, line)
        })
        .collect();
    lines.extend(
        pages
            .iter()
            .map(|record| (record.page.created_at, page_line(shell, record))),
    );
    // Stable: what happened at the same instant stays in the order of the ledger.
    lines.sort_by_key(|(at, _)| *at);
    lines.reverse();
    lines.into_iter().map(|(_, line)| line).collect()
}

fn entry_line(shell: &Shell, entry: &Entry) -> Line {
    let (who, tone) = match &entry.actor {
        Actor::System => (shell.t("actor-system"), "system"),
        Actor::Person(_, name) => (name.clone(), "person"),
    };
    let via = if matches!(entry.via, Via::Api | Via::Link) {
        shell.word("via", entry.via.as_str())
    } else {
        String::new()
    };
    let tone = if entry.action == "breach" { "breach" } else { tone };
    let what = shell.word("did", &entry.action);
    Line {
        at: shell.exact(entry.at),
        who,
        what,
        via,
        note: shell.text(&entry.note).to_owned(),
        tone,
        publish: None,
        published: false,
        unpublish: None,
    }
}

fn page_line(shell: &Shell, record: &PageRecord) -> Line {
    let page = &record.page;
    let state = shell.word("page", page.state.as_str());
    let what = shell.tell("did-page-to", &[("name", record.person_name.clone().into())]);
    let mut note = format!(
        "{} · {} · {state}",
        shell.word("reason", page.reason.as_str()),
        page.destination
    );
    if !page.error.is_empty() {
        note.push_str(" · ");
        note.push_str(&page.error);
    }
    Line {
        at: shell.exact(page.created_at),
        who: shell.t("actor-system"),
        what,
        via: String::new(),
        note,
        tone: "page",
        publish: None,
        published: false,
        unpublish: None,
    }
}

/// The metric around one alert.
pub(crate) async fn chart_of_alert(visit: &Visit, shell: &Shell, alert: &Alert) -> Result<Option<Sizes>, Failure> {
    chart(visit, shell, std::slice::from_ref(alert)).await
}

/// What the alerts of a ticket rest on: a link to each with its rule, and what the rule says of where to read more.
fn evidence(shell: &Shell, alerts: &[Alert]) -> Vec<EvidenceRow> {
    let shown = alerts.iter().take(EVIDENCE_SHOWN);
    shown
        .map(|alert| EvidenceRow {
            url: format!("/alerts/{}", alert.id),
            title: shell.text(&alert.title).to_owned(),
            arrival: if alert.ruling.arrival == Arrival::Live {
                String::new()
            } else {
                shell.word("arrival", alert.ruling.arrival.as_str())
            },
            silence: alert
                .ruling
                .silence
                .map(|silence| shell.text(&silence.words()).to_owned())
                .unwrap_or_default(),
            at: shell.exact(alert.raised_at),
        })
        .collect()
}

/// The metric around the fault, with the threshold and the fault shaded.
async fn chart(visit: &Visit, shell: &Shell, alerts: &[Alert]) -> Result<Option<Sizes>, Failure> {
    let Some(alert) = alerts.iter().find(|alert| !alert.metric.is_empty()) else {
        return Ok(None);
    };
    let lasted = alert.cleared_at.unwrap_or(visit.now).since(alert.occurred_at);
    let around = lasted.clamp(AROUND_FAULT_MIN, AROUND_FAULT_MAX);
    let to = alert.cleared_at.map_or(visit.now, |at| at.plus(around).min(visit.now));
    let from = alert.occurred_at.minus(around).max(to.minus(CHART_MAX));
    let attributes = alert
        .instance
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let mut answer = graph::points(visit, alert.host, &alert.metric, attributes, (from, to)).await?;
    if alert.instance.is_empty() && answer.series.iter().any(|line| line.series.attributes.is_empty()) {
        answer.series.retain(|line| line.series.attributes.is_empty());
    }
    let rules = visit.console.backend.rules().await?;
    let rules: Vec<_> = rules.into_iter().filter(|rule| rule.name == alert.rule).collect();
    let y = if answer.series.first().is_some_and(|line| line.unit == "1") {
        Y::Range(0.0, 1.0)
    } else {
        // From nothing to the threshold at least: half a process is no scale.
        Y::Range(0.0, alert.threshold.unwrap_or(0.0).max(0.0))
    };
    let draw = |size, answer| {
        let around = Around {
            from,
            to,
            rules: &rules,
            alerts,
            size,
        };
        let meaning = graph::meaning(shell, &alert.metric);
        let title = meaning.trim_end_matches(['.', '。']).to_owned();
        graph::draw(shell, title, &alert.metric, y, answer, &around)
    };
    Ok(Some(Sizes {
        wide: draw(graph::WIDE, answer.clone()),
        narrow: draw(graph::SIZE, answer),
    }))
}

impl TicketPage {
    /// Whether one of the forms behind "more" has something to say.
    fn more_open(&self) -> bool {
        self.more.iter().any(|form| form.open)
    }
}
