//! One sentence that answers "is this host well?", and never says more than is known.

use crate::{
    backend::{Host, HostState},
    host_view::Health,
    parts::Part,
    shell::Shell,
};
use tocsin_desk::model::{Alert, AlertState, ClockKind, Ticket, TicketState};
use tocsin_vocabulary::{Text, Timestamp};

/// Tone (`well`, `wrong`, `unknown`) and sentence. `tickets` are those of the host that are not closed; `alerts` those
/// that hold, and some that held; `parts` those of the host, the worst first.
pub(crate) fn verdict(
    shell: &Shell,
    host: &Host,
    tickets: &[Ticket],
    alerts: &[Alert],
    parts: &[Part],
) -> (&'static str, String) {
    let seen = host.last_seen_at.or(host.record.last_seen_at);
    match host.state {
        HostState::Revoked => ("unknown", shell.t("verdict-revoked")),
        HostState::Never => ("unknown", shell.t("verdict-never")),
        HostState::Silent => {
            let span = seen.map(|at| shell.since(at)).unwrap_or_default();
            ("wrong", shell.tell("verdict-silent", &[("span", span.into())]))
        }
        HostState::Live => live(shell, tickets, alerts, parts),
    }
}

/// A host that is heard: wrong while anything holds, else well, with what is still to be written down.
fn live(shell: &Shell, tickets: &[Ticket], alerts: &[Alert], parts: &[Part]) -> (&'static str, String) {
    let open: Vec<&Ticket> = tickets.iter().filter(|ticket| !is_over(ticket.state)).collect();
    // What holds and is not spoken for by an open ticket.
    let loose: Vec<&Alert> = alerts
        .iter()
        .filter(|alert| alert.state == AlertState::Raised)
        .filter(|alert| alert.fault.is_none() || open.iter().all(|ticket| ticket.fault != alert.fault))
        .collect();
    let worst = open
        .iter()
        .min_by_key(|ticket| ticket.level)
        .map(|ticket| (&ticket.title, began(ticket, alerts)));
    let loudest = loose
        .iter()
        .max_by_key(|alert| alert.severity)
        .map(|alert| (&alert.title, alert.occurred_at));
    if let Some((title, since)) = worst.or(loudest) {
        let mut sentence = wrong(shell, open.len() + loose.len(), title, since);
        // Many parts have a rule and many have none: both counts are said, and none is taken for the other.
        if let Some(ill) = ill(shell, parts) {
            sentence = format!("{sentence} · {ill}");
        }
        return ("wrong", sentence);
    }
    if let Some(sentence) = ill(shell, parts) {
        return ("wrong", sentence);
    }
    let restored: Vec<&Ticket> = tickets.iter().filter(|ticket| is_over(ticket.state)).collect();
    let (first, rest) = match restored.as_slice() {
        [] => return ("well", shell.t("verdict-well")),
        [first, rest @ ..] => (*first, rest),
    };
    if !rest.is_empty() {
        return ("well", shell.tell("verdict-finish", &[("n", restored.len().into())]));
    }
    let number = ("number", first.number.to_string().into());
    let sentence = match (first.state, ended(first, alerts)) {
        (TicketState::Restored, Some(at)) => shell.tell("verdict-restored", &[number, ("at", shell.short(at).into())]),
        (TicketState::Restored, None) => shell.tell("verdict-restored-once", &[number]),
        _ => shell.tell("verdict-resolved", &[number]),
    };
    ("well", sentence)
}

fn wrong(shell: &Shell, n: usize, title: &Text, since: Timestamp) -> String {
    let blanks = [
        ("n", n.into()),
        ("title", shell.text(title).to_owned().into()),
        ("at", shell.short(since).into()),
        ("span", shell.since(since).into()),
    ];
    shell.tell("verdict-wrong", &blanks)
}

/// Parts that do not work as they should, although no rule speaks of them.
fn ill(shell: &Shell, parts: &[Part]) -> Option<String> {
    let ill = |part: &&Part| matches!(part.health(), Health::Failed | Health::Degraded);
    let worst = parts.iter().find(ill)?;
    let name = format!("{} {}", shell.word("part-type", &worst.kind), worst.id);
    let blanks = [
        ("n", parts.iter().filter(ill).count().into()),
        ("part", name.into()),
        ("status", shell.word("part", &worst.status).into()),
    ];
    Some(shell.tell("verdict-parts", &blanks))
}

/// When the trouble of a ticket began: when its first alert occurred, else when it was opened.
fn began(ticket: &Ticket, alerts: &[Alert]) -> Timestamp {
    let own = alerts
        .iter()
        .filter(|alert| ticket.fault.is_some() && alert.fault == ticket.fault);
    own.map(|alert| alert.occurred_at).min().unwrap_or(ticket.opened_at)
}

/// Whether the service works again as far as the ticket knows.
const fn is_over(state: TicketState) -> bool {
    matches!(state, TicketState::Restored | TicketState::Resolved)
}

/// When the trouble of a ticket ended: when its last alert cleared, else when a person said so.
fn ended(ticket: &Ticket, alerts: &[Alert]) -> Option<Timestamp> {
    let cleared = alerts
        .iter()
        .filter(|alert| ticket.fault.is_some() && alert.fault == ticket.fault)
        .filter_map(|alert| alert.cleared_at)
        .max();
    cleared.or_else(|| ticket.clock(ClockKind::Restore).and_then(|clock| clock.stopped_at))
}
