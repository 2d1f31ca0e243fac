//! What is not told now: alerts that a silence, planned work, a dependency or a gathering storm covers. Each stands in
//! `withheld` until it is told after all, cleared, or became part of a storm.
//!
//! Drills are never withheld: they exercise the path. Breaches of clocks neither: a contract runs on whoever is silenced.

use super::{Desk, change::Change, cover::Cover};
use crate::{
    digest::{Budget, PAGES_PER_MINUTE},
    effect::QuietRows,
    model::{Alert, AlertState, AssetFacts, Response, TicketState},
    planned::{Planned, Times},
    storm::{Storm, StormPolicy},
    topology::{Landscape, Place, Relations},
    withheld::{Cause, Outcome, Withheld},
};
use std::collections::{BTreeMap, BTreeSet};
use tocsin_vocabulary::{AlertId, AssetId, FaultId, HostId, PersonId, PlannedId, SiteId, TicketId, Timestamp};

/// What the desk may be told beside its policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// When many alerts are one fault.
    pub storm: StormPolicy,
    /// Occasions to page one person in a minute before the rest is told in a digest; the worst level is never held back.
    pub pages_per_minute: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            storm: StormPolicy::default(),
            pages_per_minute: PAGES_PER_MINUTE,
        }
    }
}

/// What the desk keeps beside alerts, faults and tickets.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    pub(super) landscape: Landscape,
    pub(super) relations: Relations,
    pub(super) limits: Limits,
    /// What has not ended.
    pub(super) planned: BTreeMap<PlannedId, Planned>,
    /// When each of it wants to be looked at.
    pub(super) due: BTreeMap<PlannedId, Timestamp>,
    pub(super) withheld: BTreeMap<AlertId, Withheld>,
    /// What is withheld, by what it is withheld for: an outage that ends must not look through all of them.
    held_by: BTreeMap<String, BTreeSet<AlertId>>,
    pub(super) storms: BTreeMap<FaultId, Storm>,
    pub(super) budgets: BTreeMap<PersonId, Budget>,
    /// The alerts in RAM by asset, and by rule in the order of their raising.
    pub(super) of_asset: BTreeMap<AssetId, BTreeSet<AlertId>>,
    of_rule: BTreeMap<String, BTreeSet<(Timestamp, AlertId)>>,
}

/// What a step touched of it.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) planned: BTreeMap<PlannedId, Planned>,
    pub(super) withheld: BTreeMap<AlertId, Withheld>,
    pub(super) storms: Vec<Storm>,
    pub(super) budgets: BTreeSet<PersonId>,
    /// What counts at the step's moment.
    pub(super) active: Vec<(PlannedId, Times)>,
    /// Something changed that may cover or uncover any alert.
    pub(super) relook: bool,
    /// Alerts that may no longer explain others: they cleared, or are milder now.
    pub(super) shaken: BTreeSet<AlertId>,
    /// Hosts that show the same within this one step, by rule and site.
    pub(super) brewing: BTreeMap<(String, SiteId), BTreeSet<HostId>>,
    /// Members that joined and left the faults of storms.
    pub(super) tallies: BTreeMap<FaultId, (u64, u64)>,
    /// Tickets whose people were told in this step of what had been withheld.
    pub(super) told: BTreeSet<TicketId>,
}

impl Quiet {
    pub(super) fn recall(&mut self, rows: QuietRows) {
        for row in rows.planned {
            if let Some(due) = row.due() {
                self.due.entry(row.id).or_insert(due);
            }
            self.planned.entry(row.id).or_insert(row);
        }
        for row in rows.withheld {
            if !self.withheld.contains_key(&row.alert) {
                self.put(row);
            }
        }
        for row in rows.storms {
            self.storms.entry(row.fault).or_insert(row);
        }
        for row in rows.budgets {
            self.budgets.entry(row.person).or_insert(row);
        }
    }

    pub(super) fn rows(&self) -> QuietRows {
        QuietRows {
            planned: self.planned.values().cloned().collect(),
            withheld: self.withheld.values().cloned().collect(),
            storms: self.storms.values().cloned().collect(),
            budgets: self.budgets.values().cloned().collect(),
        }
    }

    /// Takes in what is withheld, or its new row.
    fn put(&mut self, row: Withheld) {
        self.take(row.alert);
        self.held_by.entry(row.by.clone()).or_default().insert(row.alert);
        self.withheld.insert(row.alert, row);
    }

    fn take(&mut self, alert: AlertId) -> Option<Withheld> {
        let row = self.withheld.remove(&alert)?;
        if let Some(alerts) = self.held_by.get_mut(&row.by) {
            alerts.remove(&alert);
            if alerts.is_empty() {
                self.held_by.remove(&row.by);
            }
        }
        Some(row)
    }

    /// What is to be looked at again: everything, or what is due and what the shaken alerts explained.
    fn candidates(&self, touched: &Touched, now: Timestamp) -> BTreeSet<AlertId> {
        if touched.relook {
            return self.withheld.keys().copied().collect();
        }
        let due = self
            .withheld
            .values()
            .filter(|row| row.until.is_some_and(|until| until <= now));
        let explained = touched
            .shaken
            .iter()
            .filter_map(|alert| self.held_by.get(&alert.to_string()));
        due.map(|row| row.alert).chain(explained.flatten().copied()).collect()
    }

    pub(super) fn keep(&mut self, alert: &Alert) {
        self.of_asset.entry(alert.asset).or_default().insert(alert.id);
        self.of_rule
            .entry(alert.rule.clone())
            .or_default()
            .insert((alert.raised_at, alert.id));
    }

    pub(super) fn forget(&mut self, alert: &Alert) {
        if let Some(alerts) = self.of_asset.get_mut(&alert.asset) {
            alerts.remove(&alert.id);
            if alerts.is_empty() {
                self.of_asset.remove(&alert.asset);
            }
        }
        if let Some(alerts) = self.of_rule.get_mut(&alert.rule) {
            alerts.remove(&(alert.raised_at, alert.id));
            if alerts.is_empty() {
                self.of_rule.remove(&alert.rule);
            }
        }
    }

    /// What counts at `now`.
    pub(super) fn active(&self, now: Timestamp) -> Vec<(PlannedId, Times)> {
        let active = self.planned.values();
        active
            .filter_map(|planned| Some((planned.id, planned.at(now)?)))
            .collect()
    }

    /// The earliest time at which the desk has something to do here.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let withheld = self.withheld.values().filter_map(|withheld| withheld.until).min();
        let digests = self.budgets.values().filter_map(|budget| budget.due_at).min();
        let planned = self.due.values().min().copied();
        [withheld, digests, planned].into_iter().flatten().min()
    }

    /// The alerts of a rule that were raised after `since`, oldest first.
    pub(super) fn raised_since(&self, rule: &str, since: Timestamp) -> impl Iterator<Item = AlertId> {
        let first = (since, AlertId::from_bytes([0xff; 16]));
        let alerts = self.of_rule.get(rule).into_iter();
        alerts.flat_map(move |alerts| alerts.range(first..).map(|(_, id)| *id))
    }
}

impl Desk {
    /// What the register says of assets: all of them, as after a start.
    pub fn survey(&mut self, places: impl IntoIterator<Item = Place>) {
        self.quiet.landscape = Landscape::new(places);
    }

    /// What the register says of one asset now.
    pub fn place(&mut self, place: Place) {
        self.quiet.landscape.put(place);
    }

    /// Where assets stand and what they hang on.
    #[must_use]
    pub const fn landscape(&self) -> &Landscape {
        &self.quiet.landscape
    }

    /// What the rules say of each other.
    pub fn relate(&mut self, relations: Relations) {
        self.quiet.relations = relations;
    }

    /// Other limits than the shipped ones.
    pub const fn limit(&mut self, limits: Limits) {
        self.quiet.limits = limits;
    }

    /// What has not ended, oldest first.
    pub fn planned(&self) -> impl Iterator<Item = &Planned> {
        self.quiet.planned.values()
    }

    /// Withholds the telling of an alert that something covers; false when nothing does.
    pub(super) fn withhold(&mut self, change: &mut Change, id: AlertId, asset: &AssetFacts) -> bool {
        let Some(cover) = self.alerts.get(&id).and_then(|alert| self.cover(change, alert)) else {
            return false;
        };
        self.hold(change, id, asset, cover.cause, cover.by, (cover.fault, cover.until));
        true
    }

    pub(super) fn hold(
        &mut self,
        change: &mut Change,
        id: AlertId,
        asset: &AssetFacts,
        cause: Cause,
        by: String,
        (fault, until): (Option<FaultId>, Option<Timestamp>),
    ) {
        let withheld = Withheld {
            alert: id,
            asset: asset.clone(),
            cause,
            by,
            fault,
            since: change.now,
            until,
            ended_at: None,
            outcome: None,
        };
        change.quiet.withheld.insert(id, withheld.clone());
        self.quiet.put(withheld);
    }

    /// Ends the withholding of an alert, if it was withheld.
    pub(super) fn unhold(&mut self, change: &mut Change, id: AlertId, outcome: Outcome) -> Option<Withheld> {
        let mut withheld = self.quiet.take(id)?;
        withheld.ended_at = Some(change.now);
        withheld.outcome = Some(outcome);
        change.quiet.withheld.insert(id, withheld.clone());
        Some(withheld)
    }

    /// An alert has a fault now: what it explains is linked to that.
    pub(super) fn link(&mut self, change: &mut Change, alert: AlertId, fault: FaultId) {
        let explained = self.quiet.held_by.get(&alert.to_string()).cloned().unwrap_or_default();
        for id in explained {
            if let Some(withheld) = self.quiet.withheld.get_mut(&id) {
                withheld.fault = Some(fault);
                change.quiet.withheld.insert(id, withheld.clone());
            }
        }
    }

    pub(super) fn is_withheld(&self, id: AlertId) -> bool {
        self.quiet.withheld.contains_key(&id)
    }

    /// What follows from all that happened in a step: what is told after all, storms, digests.
    pub(super) fn settle(&mut self, change: &mut Change) {
        change.quiet.brewing.clear();
        self.relook(change);
        self.count_storms(change);
        self.digests(change);
    }

    /// The rows that a step touched.
    pub(super) fn quiet_rows(&self, touched: Touched) -> QuietRows {
        QuietRows {
            planned: touched.planned.into_values().collect(),
            withheld: touched.withheld.into_values().collect(),
            storms: touched.storms,
            budgets: touched
                .budgets
                .iter()
                .filter_map(|person| self.quiet.budgets.get(person))
                .cloned()
                .collect(),
        }
    }

    /// Looks again at what is withheld: whatever nothing covers any more is told at once.
    pub(super) fn relook(&mut self, change: &mut Change) {
        let ids = self.quiet.candidates(&change.quiet, change.now);
        let mut freed = Vec::new();
        for id in ids {
            let Some(alert) = self.alerts.get(&id) else {
                continue;
            };
            // Those that wait for a storm are told at their time, or become part of it; another cover may come first.
            let waits = self.quiet.withheld.get(&id).is_some_and(|withheld| {
                withheld.cause == Cause::Storm && withheld.until.is_some_and(|until| until > change.now)
            });
            match self.cover(change, alert) {
                Some(cover) => self.recover(change, id, cover),
                None if waits => {}
                None => freed.extend(self.unhold(change, id, Outcome::Told)),
            }
        }
        self.brew(
            change,
            freed
                .iter()
                .filter_map(|freed| Some((self.alerts.get(&freed.alert)?, freed.asset.site))),
        );
        for withheld in freed {
            self.tell(change, withheld.alert, &withheld.asset);
        }
    }

    /// Something else covers an alert now, or the same for another time.
    fn recover(&mut self, change: &mut Change, id: AlertId, cover: Cover) {
        let Some(before) = self.quiet.withheld.get(&id) else {
            return;
        };
        let withheld = Withheld {
            cause: cover.cause,
            by: cover.by,
            fault: cover.fault,
            until: cover.until,
            ..before.clone()
        };
        if withheld != *before {
            change.quiet.withheld.insert(id, withheld.clone());
            self.quiet.put(withheld);
        }
    }

    /// Tells people of an alert that holds.
    fn tell(&mut self, change: &mut Change, id: AlertId, asset: &AssetFacts) {
        let Some(alert) = self.alerts.get(&id).filter(|alert| alert.state == AlertState::Raised) else {
            return;
        };
        match alert.response {
            Response::Record => {}
            Response::Notify => self.notice(change, id, false),
            Response::Ticket => match self.live_ticket_of(alert.fault).map(|ticket| ticket.id) {
                Some(ticket) => self.tell_again(change, ticket),
                None => self.open_or_join(change, id, asset),
            },
        }
    }

    /// People hear of a ticket that they may know, because an alert of it was withheld until now.
    fn tell_again(&mut self, change: &mut Change, ticket: TicketId) {
        if !change.quiet.told.insert(ticket) {
            return;
        }
        let Some(mut ticket) = self.tickets.get(&ticket).cloned() else {
            return;
        };
        change.touch(&mut ticket);
        let round = ticket.state == TicketState::Open
            && !self.duty.is_empty()
            && ticket.page_round < self.policy.paging.rounds_max;
        if round {
            self.round(change, &mut ticket);
        } else {
            self.tell_of_return(change, &mut ticket);
        }
        self.tickets.insert(ticket.id, ticket);
    }
}
