//! The collector itself: its health, who may do what, who did what.

use crate::{
    authority::Action,
    backend::HealthPart,
    guard::{Answer, Visit},
    markup::Html,
    phrases,
    shell::{Shell, page},
};
use askama::Template;
use tocsin_desk::record::Slice;

/// Audit lines of one slice.
const LINES: u32 = 100;

struct PersonRow {
    name: String,
    login: String,
    role: String,
    on_duty: bool,
    email: String,
    phone: String,
}

struct Line {
    at: Html,
    actor: String,
    via: String,
    action: String,
    subject: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage {
    shell: Shell,
    version: &'static str,
    parts: Vec<HealthPart>,
    people: Vec<PersonRow>,
    audit: Vec<Line>,
    may_people: bool,
    may_audit: bool,
    next: Option<String>,
}

/// `GET /system?after=`.
pub(crate) async fn show(visit: Visit) -> Answer {
    let shell = Shell::new(&visit, "system");
    let backend = &visit.console.backend;
    let (may_people, may_audit) = (visit.may(Action::ReadPeople), visit.may(Action::ReadAudit));
    let people = if may_people {
        backend.people().await?
    } else {
        Vec::new()
    };
    let people = people
        .into_iter()
        .map(|person| PersonRow {
            role: shell.word("role", person.role.as_str()),
            name: person.name,
            login: person.login,
            on_duty: person.on_duty,
            email: person.email,
            phone: person.phone,
        })
        .collect();
    let mut audit = Vec::new();
    let mut next = None;
    if may_audit {
        let list = backend
            .audit_lines(&Slice {
                after: visit.parameter("after"),
                limit: LINES,
            })
            .await?;
        next = list
            .next
            .map(|after| format!("/system?after={}", crate::markup::percent(&after)));
        audit.extend(list.items.into_iter().map(|line| Line {
            at: shell.exact(line.at),
            actor: line.actor,
            via: line.via,
            action: line.action,
            subject: line.subject,
            detail: line.detail,
        }));
    }
    let mut parts = backend.health().await;
    for part in &mut parts {
        part.name = match part.name.strip_prefix("channel ") {
            Some(channel) => format!("{} {channel}", shell.t("health-part-channel")),
            None => shell.word("health-part", &part.name),
        };
        part.detail = phrases::in_language(shell.language, &part.detail);
    }
    page(&SystemPage {
        version: backend.version(),
        shell,
        parts,
        people,
        audit,
        may_people,
        may_audit,
        next,
    })
}
