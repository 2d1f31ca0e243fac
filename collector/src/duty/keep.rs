//! What keeps the day going: shifts that change, handovers that nobody signs, tickets that nobody heeds.
//!
//! One task looks at the rosters twice a minute and when a shift changes. Whatever it does can be done twice without harm:
//! a handover opens once for one change of one roster, and a page has a key that is used once.

use super::{Room, failed, handover::shift_of, terms};
use crate::engine::Command;
use std::{sync::Arc, time::Duration};
use tocsin_console::backend::{Change, Failure};
use tocsin_desk::{
    duty::Doer,
    handover::Handover,
    model::{Page, PageReason, PageState},
    roster,
};
use tocsin_vocabulary::{Level, PageId, Text, Timestamp};
use tokio_util::sync::CancellationToken;

/// Between two looks, at most.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Between two audits of the desk.
const AUDIT_EVERY: Duration = Duration::from_secs(60);
/// A change of shifts that is longer ago opens no handover any more.
const RECENT: Duration = Duration::from_secs(6 * 3_600);
/// The level that pages about handovers bear: they are no fault.
const LEVEL: u8 = 3;

/// Looks after the day until cancelled.
pub(crate) async fn keep(room: Arc<Room>, cancel: CancellationToken) {
    let mut on_duty: Option<Vec<String>> = None;
    let mut audited_at = (room.clock)();
    loop {
        let now = (room.clock)();
        let pause = match look(&room, now, &mut on_duty).await {
            Ok(next) => next
                .map_or(LOOK_EVERY, |at| at.since(now))
                .clamp(Duration::from_millis(10), LOOK_EVERY),
            Err(failure) => {
                tracing::warn!(reason = failure.reason, "cannot look after the roster; trying again");
                LOOK_EVERY
            }
        };
        if let Err(failure) = terms::look(&room, now).await {
            tracing::warn!(reason = failure.reason, "cannot look after terms; trying again");
        }
        if let Err(failure) = room.remind_approvers(now).await {
            tracing::warn!(
                reason = failure.reason,
                "cannot remind of approvals that are not signed; trying again"
            );
        }
        if now.since(audited_at) >= AUDIT_EVERY {
            audited_at = now;
            room.engine.send(Command::Audit).await;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cancel.cancelled() => return,
        }
    }
}

/// One look; answers when the people change next.
async fn look(room: &Room, now: Timestamp, on_duty: &mut Option<Vec<String>>) -> Result<Option<Timestamp>, Failure> {
    let rosters = room.ledger.rosters().await.map_err(failed)?;
    if rosters.is_empty() {
        return Ok(None);
    }
    let written = room.ledger.roster_times().await.map_err(failed)?;
    let exchanges = room.ledger.exchanges(now.minus(RECENT)).await.map_err(failed)?;
    let (mut people, mut next) = (Vec::new(), None);
    for plan in &rosters {
        let spans = roster::now(plan, &exchanges, now);
        people.extend(spans.iter().flat_map(|span| span.staff.everybody()));
        let change = roster::next_change(plan, &exchanges, now);
        next = [next, change].into_iter().flatten().min();
        let began = spans.iter().map(|span| span.from).max();
        let Some(began) = began.filter(|began| now.since(*began) < RECENT) else {
            continue;
        };
        // A plan that was entered after the change knows nothing of it.
        if written.get(&plan.name).is_some_and(|at| *at > began) {
            continue;
        }
        let (leaving, coming) = (
            shift_of(&roster::now(plan, &exchanges, began.minus(Duration::from_millis(1)))),
            shift_of(&spans),
        );
        if leaving.is_empty() || coming.is_empty() || leaving == coming {
            continue;
        }
        room.open_handover(&system(), "handover.open", &plan.name, began, leaving, coming)
            .await?;
    }
    if on_duty.as_ref() != Some(&people) {
        *on_duty = Some(people);
        room.tell_desk().await;
        room.live.ring(Change::Desk);
    }
    nag(room, now).await?;
    Ok(next)
}

fn system() -> Doer {
    Doer {
        login: "system".to_owned(),
        name: "system".to_owned(),
        via: "system".to_owned(),
    }
}

/// Pages both shifts of every handover that should be signed by now.
async fn nag(room: &Room, now: Timestamp) -> Result<(), Failure> {
    let mut paged = false;
    for handover in room.ledger.open_handovers().await.map_err(failed)? {
        if handover.nag_at().is_none_or(|at| at > now) {
            continue;
        }
        let pages = pages(room, &handover, now).await?;
        let seen = handover.nags;
        let change = |one: &mut Handover| {
            // Somebody signed it, or another collector was first.
            if one.is_closed() || one.nags != seen {
                return Err(());
            }
            one.nags += 1;
            Ok(())
        };
        let changed = room.ledger.change_handover(handover.id, &pages, &[], change).await;
        paged |= changed.map_err(failed)?.is_ok();
    }
    if paged {
        room.live.ring(Change::Pages);
        room.outbox.notify_one();
    }
    Ok(())
}

async fn pages(room: &Room, handover: &Handover, now: Timestamp) -> Result<Vec<Page>, Failure> {
    let people = room.people().await?;
    let mut ids = room.new_ids();
    let missing = match (&handover.left, &handover.came) {
        (None, None) => Text::new("neither shift has signed", "双方均未签字"),
        (None, _) => Text::new("the leaving shift has not signed", "交班方未签字"),
        _ => Text::new("the coming shift has not signed", "接班方未签字"),
    };
    let mut pages = Vec::new();
    for login in handover.everybody() {
        let Some(person) = people.iter().find(|person| person.login == login) else {
            continue;
        };
        for destination in &room.destinations {
            pages.push(Page {
                id: PageId::next(&mut ids, now),
                key: format!(
                    "handover-{}-{}-{}-{destination}",
                    handover.id,
                    handover.nags + 1,
                    person.id
                ),
                ticket: None,
                ticket_number: None,
                person: person.id,
                destination: destination.clone(),
                reason: PageReason::Handover,
                title: Text::new(
                    format!("Handover {} of {} is not signed", handover.id, handover.roster),
                    format!("{} 第 {} 号交接班未签字", handover.roster, handover.id),
                ),
                body: missing.clone(),
                level: Level::new(LEVEL),
                drill: false,
                created_at: now,
                state: PageState::Queued,
                attempts: 0,
                due_at: now,
                sent_at: None,
                error: String::new(),
            });
        }
    }
    Ok(pages)
}
