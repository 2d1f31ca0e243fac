//! Stories that read as they happen, and a simulator that looks for what no story thought of.

mod chains;
mod clocks;
mod friday;
mod month;
mod quiet;
mod returns;
mod rulings;
mod simulator;
mod stories;

use super::*;
use crate::{
    input::{Act, Action, AlertChange, Turn},
    model::{Actor, AssetFacts, PageReason, Response, TicketState, Via},
};
use std::time::Duration;
use tocsin_vocabulary::{AssetId, ContractId, CustomerId, Importance, PersonId, PlannedId, Severity, SiteId, Text};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn host(n: u8) -> HostId {
    HostId::from_bytes([n; 16])
}

fn person(n: u8) -> PersonId {
    PersonId::from_bytes([n; 16])
}

fn on_duty(n: u8) -> OnDuty {
    OnDuty {
        person: person(n),
        destinations: vec!["inbox".to_owned(), "mail".to_owned()],
    }
}

fn asset(n: u8) -> AssetFacts {
    AssetFacts {
        asset: AssetId::from_bytes([n; 16]),
        name: format!("web-{n}"),
        customer: CustomerId::from_bytes([1; 16]),
        contract: ContractId::from_bytes([1; 16]),
        site: SiteId::from_bytes([1; 16]),
        importance: Importance::Normal,
    }
}

fn alert(turn: Turn, host_number: u8, rule: &str) -> AlertChange {
    AlertChange {
        turn,
        rule: rule.to_owned(),
        host: host(host_number),
        instance: String::new(),
        asset: asset(host_number),
        severity: Severity::Major,
        response: Response::Ticket,
        title: Text::new("disk full", "磁盘已满"),
        remedy: Text::new("make room", "清理空间"),
        metric: "system.filesystem.utilization".to_owned(),
        value: Some(0.97),
        threshold: Some(0.9),
        occurred_at: Timestamp::from_millis(0),
        drill: false,
        ruling: crate::model::Ruling::default(),
    }
}

fn act(ticket: TicketId, who: u8, action: Action) -> Input {
    Input::Act(Act {
        ticket,
        actor: Actor::Person(person(who), format!("person {who}")),
        via: Via::Console,
        action,
        revision: None,
    })
}

fn resolve() -> Action {
    Action::Resolve {
        cause: "logs".to_owned(),
        solution: "rotated".to_owned(),
    }
}
