//! Between the words of rules, ledger and desk.

use super::Parts;
use std::time::Duration;
use tocsin_console::backend::Failure;
use tocsin_desk::{
    clocks::Book,
    escalation::{Chain, Crew},
    input::{AlertChange, OnDuty, Turn},
    model::{Actor, Alert, Arrival, AssetFacts, Response, Ruling, Via},
    record::{AuditLine, EventRecord, HostRecord},
};
use tocsin_ledger::LedgerError;
use tocsin_rules::{Reason, Restored, Transition, TransitionKind};
use tocsin_vocabulary::{Code, HostId, Timestamp};

pub(super) fn unwritable(error: &LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

pub(super) fn unknown() -> Failure {
    Failure::new(Code::NotFound, "there is no such ticket")
}

/// Who is paged at once, and the chain behind them.
pub(super) async fn on_duty(parts: &Parts) -> Result<(Vec<OnDuty>, (Chain, Crew)), LedgerError> {
    crate::duty::crew(&parts.ledger, &parts.destinations, (parts.clock)()).await
}

/// Policies and calendars with what the register says of the contracts now.
pub(super) async fn book(parts: &Parts) -> Result<Book, LedgerError> {
    let mut book = parts.book.clone();
    book.set_contracts(parts.ledger.contract_terms().await?);
    Ok(book)
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

/// An event as the rules see it; its attributes are borrowed from it.
pub(super) fn with_event<T>(event: &EventRecord, look: impl FnOnce(&tocsin_rules::Event<'_>) -> T) -> T {
    let attributes = event.attributes.iter();
    let attributes: Vec<(&str, &str)> = attributes.map(|(key, value)| (key.as_str(), value.as_str())).collect();
    look(&tocsin_rules::Event {
        number: event.seq,
        name: &event.name,
        attributes: &attributes,
        body: &event.body,
        time: event.at,
    })
}

/// Has the rules hear of events.
pub(super) fn happened(
    rules: &mut tocsin_rules::Engine,
    host: HostId,
    events: &[(EventRecord, Option<Duration>)],
    now: Timestamp,
) -> Vec<Transition> {
    let mut said = Vec::new();
    for (event, late) in events {
        said.extend(with_event(event, |told| rules.event_of_age(host, told, now, *late)));
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

pub(super) fn change_of(transition: Transition, asset: AssetFacts, version: String) -> AlertChange {
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
        ruling: Ruling {
            knowledge: transition.knowledge,
            // What ended with its rule or its series was not seen to be well.
            auto_close: transition.auto_close
                && matches!(
                    (transition.kind, transition.evidence.reason),
                    (TransitionKind::Raised | TransitionKind::Updated, _) | (_, Reason::Recovered)
                ),
            arrival: if transition.evidence.late {
                Arrival::Late
            } else {
                Arrival::Live
            },
            version,
            silence: None,
        },
    }
}

/// The groups that a host's tags name: `group:NAME`.
pub(super) fn groups_of(tags: &[String]) -> Vec<String> {
    let groups = tags.iter().filter_map(|tag| tag.strip_prefix("group:"));
    groups.map(|group| group.trim().to_owned()).collect()
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
