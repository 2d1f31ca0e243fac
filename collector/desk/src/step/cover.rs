//! What covers an alert: a silence or window, another alert of its host that explains it, an outage of what it hangs on.

use super::{
    Desk,
    change::{By, Change},
};
use crate::{
    model::{Alert, AlertState, Response, Ticket, TicketKind},
    planned::{Planned, PlannedKind, Subject, Times},
    topology::{DEPTH_MAX, same_part},
    withheld::Cause,
};
use std::time::Duration;
use tocsin_vocabulary::{AlertId, AssetId, FaultId, Severity, Text, Timestamp};

/// A host that falls silent while it hangs on another waits this long for the other's silence to be noticed: both miss
/// their ticks at once, and each has its own deadline.
const PARENT_GRACE: Duration = Duration::from_secs(15);

/// Why an alert is not told, and until when at the latest.
pub(super) struct Cover {
    pub(super) cause: Cause,
    pub(super) by: String,
    pub(super) fault: Option<FaultId>,
    pub(super) until: Option<Timestamp>,
}

impl Desk {
    pub(super) fn cover(&self, change: &Change, alert: &Alert) -> Option<Cover> {
        self.planned_cover(change, alert)
            .or_else(|| self.part_cover(alert))
            .or_else(|| self.parent_cover(alert, change.now))
    }

    pub(super) fn subject<'a>(&'a self, asset: AssetId, alert: Option<(&'a str, &'a str)>) -> Subject<'a> {
        Subject {
            asset,
            place: self.quiet.landscape.place(asset),
            alert,
        }
    }

    /// The silence or window that covers an alert; of several, the one that ends last.
    fn planned_cover(&self, change: &Change, alert: &Alert) -> Option<Cover> {
        let subject = self.subject(alert.asset, Some((&alert.rule, &alert.instance)));
        let (planned, times) = self.withholding(change, &subject)?;
        Some(Cover {
            cause: if planned.kind == PlannedKind::Silence {
                Cause::Silence
            } else {
                Cause::Window
            },
            by: planned.id.to_string(),
            fault: None,
            until: Some(times.to),
        })
    }

    /// The silence or window that concerns something now; of several, the one that ends last.
    pub(super) fn withholding<'a>(
        &'a self,
        change: &'a Change,
        subject: &Subject<'_>,
    ) -> Option<(&'a Planned, &'a Times)> {
        let counting = change
            .quiet
            .active
            .iter()
            .filter_map(|(id, times)| Some((self.quiet.planned.get(id)?, times)));
        let covering = counting.filter(|(planned, _)| planned.kind.withholds() && planned.scope.concerns(subject));
        covering.max_by_key(|(planned, times)| (times.to, planned.id))
    }

    fn raised_at(&self, asset: AssetId) -> impl Iterator<Item = &Alert> {
        let alerts = self.quiet.of_asset.get(&asset).into_iter().flatten();
        let alerts = alerts.filter_map(|id| self.alerts.get(id));
        alerts.filter(|alert| alert.state == AlertState::Raised && !self.key_of(alert).drill)
    }

    /// Another alert of the same host that explains this one.
    fn part_cover(&self, alert: &Alert) -> Option<Cover> {
        let explaining = self.quiet.relations.explained_by.get(&alert.rule)?;
        let mut others = self.raised_at(alert.asset).filter(|other| {
            other.id != alert.id
                && other.host == alert.host
                && explaining.contains(&other.rule)
                && same_part(&alert.instance, &other.instance)
                && self.rests_elsewhere(other.id, alert.id)
        });
        let other = others.next()?;
        Some(Cover {
            cause: Cause::Part,
            by: other.id.to_string(),
            fault: other.fault,
            until: None,
        })
    }

    /// Whether an alert is told, or explained by something that does not lead back to `not`: two alerts that explain each
    /// other must not both be withheld for it.
    fn rests_elsewhere(&self, alert: AlertId, not: AlertId) -> bool {
        let mut at = alert;
        for _ in 0..DEPTH_MAX {
            let Some(withheld) = self
                .quiet
                .withheld
                .get(&at)
                .filter(|withheld| withheld.cause == Cause::Part)
            else {
                return true;
            };
            match withheld.by.parse() {
                Ok(next) if next != not => at = next,
                _ => return false,
            }
        }
        false
    }

    /// What the asset hangs on is down; or it fell silent just now, and what it hangs on may be about to be found silent.
    fn parent_cover(&self, alert: &Alert, now: Timestamp) -> Option<Cover> {
        for above in self.quiet.landscape.above(alert.asset) {
            if let Some(down) = self.raised_at(above).find(|alert| self.is_down(alert)) {
                return Some(Cover {
                    cause: Cause::Parent,
                    by: down.id.to_string(),
                    fault: down.fault,
                    until: None,
                });
            }
        }
        let watched = |asset: &AssetId| {
            self.quiet
                .landscape
                .place(*asset)
                .is_some_and(|place| place.host.is_some())
        };
        let above = self.quiet.landscape.above(alert.asset).find(watched)?;
        let until = alert.raised_at.plus(PARENT_GRACE);
        (self.quiet.relations.silence.contains(&alert.rule) && now < until).then(|| Cover {
            cause: Cause::Parent,
            by: above.to_string(),
            fault: None,
            until: Some(until),
        })
    }

    /// Whether an alert says that its asset is down: nothing is heard of it, or its rule calls it critical.
    fn is_down(&self, alert: &Alert) -> bool {
        alert.response == Response::Ticket
            && (alert.severity == Severity::Critical || self.quiet.relations.silence.contains(&alert.rule))
    }

    /// Until when the rounds of pages of a ticket wait: something covers each of its alerts that hold.
    pub(super) fn hushed(&self, change: &Change, ticket: &Ticket) -> Option<Timestamp> {
        if ticket.kind == TicketKind::Drill {
            return None;
        }
        let alerts = self.alerts_of(ticket.fault);
        let holding = alerts
            .iter()
            .filter_map(|id| self.alerts.get(id))
            .filter(|alert| alert.state == AlertState::Raised);
        let mut until: Option<Timestamp> = None;
        for alert in holding {
            let cover = self.cover(change, alert)?;
            let end = cover
                .until
                .unwrap_or(change.now.plus(self.policy.paging.repage_after.0));
            until = Some(until.map_or(end, |until| until.min(end)));
        }
        until
    }

    /// The next round of pages waits for what covers the ticket's alerts.
    pub(super) fn postpone(&self, change: &mut Change, ticket: &mut Ticket, until: Timestamp) {
        ticket.page_due_at = Some(until);
        // The round that is due then pages whoever the rungs up to now name.
        ticket.reckoning.called_at = Some(change.now);
        let note = Text::new(
            format!("not paged until {until}: a silence, planned work or a dependency covers it"),
            format!("\u{5c4f}\u{853d}、维护窗口或上级故障期间不通知，至 {until}"),
        );
        change.entry(ticket, &By::SYSTEM, "page_withheld", note);
    }
}
