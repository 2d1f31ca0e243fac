//! Between the words of rules, ledger and desk.

use super::Parts;
use tocsin_console::backend::Failure;
use tocsin_desk::{
    input::{AlertChange, OnDuty, Turn},
    model::{Actor, Alert, AssetFacts, Response, Via},
    record::{AuditLine, EventRecord, HostRecord},
};
use tocsin_ledger::LedgerError;
use tocsin_rules::{Restored, Transition, TransitionKind};
use tocsin_vocabulary::{Code, HostId, Timestamp};

pub(super) fn unwritable(error: &LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

pub(super) fn unknown() -> Failure {
    Failure::new(Code::NotFound, "there is no such ticket")
}

pub(super) async fn on_duty(parts: &Parts) -> Result<Vec<OnDuty>, LedgerError> {
    let people = parts.ledger.on_duty().await?;
    Ok(people
        .into_iter()
        .map(|person| OnDuty {
            person: person.id,
            destinations: parts.destinations.clone(),
        })
        .collect())
}

pub(super) fn restored(alert: &Alert) -> Restored {
    Restored {
        rule: alert.rule.clone(),
        host: alert.host,
        instance: alert.instance.clone(),
        raised_at: alert.occurred_at,
        value: alert.value,
        severity: alert.severity,
    }
}

/// Has the rules hear of events.
pub(super) fn happened(
    rules: &mut tocsin_rules::Engine,
    host: HostId,
    events: &[(EventRecord, bool)],
    now: Timestamp,
) -> Vec<Transition> {
    let mut said = Vec::new();
    for (event, late) in events {
        let attributes = event.attributes.iter();
        let attributes: Vec<(&str, &str)> = attributes.map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let told = tocsin_rules::Event {
            number: event.seq,
            name: &event.name,
            attributes: &attributes,
            body: &event.body,
            time: event.at,
        };
        said.extend(rules.event(host, &told, now, *late));
    }
    said
}

pub(super) fn audit_of(actor: &Actor, via: Via, action: &str, subject: &str, now: Timestamp) -> AuditLine {
    let actor = match actor {
        Actor::System => "system".to_owned(),
        Actor::Person(_, name) => name.clone(),
    };
    AuditLine {
        at: now,
        actor,
        via: via.as_str().to_owned(),
        action: format!("ticket.{action}"),
        subject: subject.to_owned(),
        detail: String::new(),
    }
}

pub(super) fn change_of(transition: Transition, asset: AssetFacts) -> AlertChange {
    AlertChange {
        turn: match transition.kind {
            TransitionKind::Raised => Turn::Raised,
            TransitionKind::Updated => Turn::Updated,
            TransitionKind::Cleared => Turn::Cleared,
        },
        rule: transition.rule,
        host: transition.host,
        instance: transition.instance,
        asset,
        severity: transition.severity,
        response: match transition.action {
            tocsin_rules::Action::Record => Response::Record,
            tocsin_rules::Action::Notify => Response::Notify,
            tocsin_rules::Action::Ticket => Response::Ticket,
        },
        title: transition.title,
        remedy: transition.remedy,
        metric: transition.metric,
        value: transition.value,
        threshold: Some(transition.threshold),
        occurred_at: transition.at,
        drill: transition.drill,
    }
}

/// What the desk must know of a host's asset.
pub(super) fn facts_of(host: &HostRecord) -> AssetFacts {
    AssetFacts {
        asset: host.asset,
        name: host.name.clone(),
        customer: host.customer,
        contract: host.contract,
        site: host.site,
        importance: host.importance,
    }
}
