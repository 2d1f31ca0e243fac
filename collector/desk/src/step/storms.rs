//! Many hosts of one site that show the same become one fault and one ticket; its members are counted, not told one by one.

use super::{
    Desk,
    alerts::Opening,
    change::{By, Change},
};
use crate::{
    input::{AlertChange, Turn},
    life::{self, ActionKind},
    model::{Alert, AlertState, AssetFacts, Response, TicketKind, TicketState},
    storm::Storm,
    withheld::{Cause, Outcome},
};
use std::collections::{BTreeMap, BTreeSet};
use tocsin_vocabulary::{AlertId, FaultId, HostId, Importance, SiteId, Text, Timestamp};

/// Members that a line of the timeline names; all are listed with the ticket.
const NAMED_MAX: usize = 20;

/// What is to be done with one more alert.
enum Weather {
    /// It is told by itself.
    Calm,
    /// It waits until then: it may be a storm.
    Gathers(Timestamp),
    /// It is one, of so many hosts.
    Storm(usize),
}

impl Desk {
    /// Counts the hosts of alerts that are about to be told together.
    pub(super) fn brew<'a>(&self, change: &mut Change, alerts: impl Iterator<Item = (&'a Alert, SiteId)>) {
        change.quiet.brewing.clear();
        for (alert, site) in alerts.filter(|(alert, _)| alert.response == Response::Ticket && alert.fault.is_none()) {
            let hosts = change.quiet.brewing.entry((alert.rule.clone(), site)).or_default();
            hosts.insert(alert.host);
        }
    }

    /// Counts the hosts of what the rules say together.
    pub(super) fn count_raised(&self, change: &mut Change, turns: &[AlertChange]) {
        // What is covered anyway makes no storm of the rest.
        let covered = |turn: &AlertChange| {
            let subject = self.subject(turn.asset.asset, Some((&turn.rule, &turn.instance)));
            self.withholding(change, &subject).is_some()
        };
        let mut brewing: BTreeMap<(String, SiteId), BTreeSet<HostId>> = BTreeMap::new();
        let raised = turns.iter().filter(|turn| {
            turn.turn == Turn::Raised && turn.response == Response::Ticket && !turn.drill && !covered(turn)
        });
        for turn in raised {
            let hosts = brewing.entry((turn.rule.clone(), turn.asset.site)).or_default();
            hosts.insert(turn.host);
        }
        brewing.retain(|_, hosts| hosts.len() >= self.quiet.limits.storm.hosts_min);
        change.quiet.brewing = brewing;
    }

    /// Opens a ticket for an alert, or makes it part of a storm, or lets it wait for one.
    pub(super) fn open_or_join(&mut self, change: &mut Change, id: AlertId, asset: &AssetFacts) {
        let Some(alert) = self.alerts.get(&id).cloned() else {
            return;
        };
        if let Some(fault) = self.storm_at(&alert.rule, asset.site) {
            return self.join(change, fault, id);
        }
        match self.weather(change, &alert, asset.site) {
            Weather::Calm => self.open_alone(change, &alert, asset),
            Weather::Gathers(until) => {
                self.hold(change, id, asset, Cause::Storm, alert.rule, (None, Some(until)));
            }
            Weather::Storm(hosts) => self.begin_storm(change, &alert, asset, hosts),
        }
    }

    /// The fault of the storm of a rule that rages at a site.
    fn storm_at(&self, rule: &str, site: SiteId) -> Option<FaultId> {
        let mut storms = self
            .quiet
            .storms
            .values()
            .filter(|storm| storm.rule == rule && storm.site == site);
        let holds = |fault: FaultId| {
            self.live_ticket_of(Some(fault)).is_some()
                && self.faults.get(&fault).is_some_and(|fault| fault.cleared_at.is_none())
        };
        storms.find(|storm| holds(storm.fault)).map(|storm| storm.fault)
    }

    fn weather(&self, change: &Change, alert: &Alert, site: SiteId) -> Weather {
        let policy = self.quiet.limits.storm;
        let Some(threshold) = policy.threshold(self.quiet.landscape.hosts_at(site)) else {
            return Weather::Calm;
        };
        let brewing = change.quiet.brewing.get(&(alert.rule.clone(), site));
        let brewing = brewing.into_iter().flatten();
        // Each host with when it last showed it.
        let mut hosts: BTreeMap<HostId, Timestamp> = brewing.map(|host| (*host, change.now)).collect();
        if hosts.len() < threshold {
            for id in self.quiet.raised_since(&alert.rule, change.now.minus(policy.window)) {
                if let Some(other) = self.alerts.get(&id).filter(|other| self.counts(other, site)) {
                    let shown = hosts.entry(other.host).or_insert(other.raised_at);
                    *shown = other.raised_at.max(*shown);
                }
                if hosts.len() >= threshold {
                    break;
                }
            }
        }
        if hosts.len() >= threshold {
            return Weather::Storm(hosts.len());
        }
        let until = alert.raised_at.plus(policy.window);
        let mut shown: Vec<Timestamp> = hosts.into_values().collect();
        shown.sort_unstable();
        let few = policy.told_at_once + 1;
        let span = shown.len().checked_sub(few).map(|at| change.now.since(shown[at]));
        if until > change.now && span.is_some_and(|span| policy.brews(few, span, threshold)) {
            Weather::Gathers(until)
        } else {
            Weather::Calm
        }
    }

    /// Whether an alert counts towards a storm at this site.
    fn counts(&self, alert: &Alert, site: SiteId) -> bool {
        alert.state == AlertState::Raised
            && alert.response == Response::Ticket
            && self
                .quiet
                .landscape
                .place(alert.asset)
                .is_some_and(|place| place.site == site)
            && !self.key_of(alert).drill
            && self
                .quiet
                .withheld
                .get(&alert.id)
                .is_none_or(|withheld| withheld.cause == Cause::Storm)
    }

    fn open_alone(&mut self, change: &mut Change, alert: &Alert, asset: &AssetFacts) {
        let opening = Opening {
            by: By::SYSTEM,
            kind: TicketKind::Fault,
            host: Some(alert.host),
            asset: asset.clone(),
            title: alert.title.clone(),
            remedy: alert.remedy.clone(),
            severity: alert.severity,
            occurred_at: alert.occurred_at,
        };
        change.alerts.insert(alert.id);
        self.open(change, opening, Some(alert.id));
    }

    /// The site's fault: as grave as one of an important asset, whatever its hosts are.
    fn begin_storm(&mut self, change: &mut Change, alert: &Alert, asset: &AssetFacts, hosts: usize) {
        let place = self.quiet.landscape.place(asset.asset);
        let site_name = place.map_or_else(|| asset.site.to_string(), |place| place.site_name.clone());
        let opening = Opening {
            by: By::SYSTEM,
            kind: TicketKind::Fault,
            host: None,
            asset: AssetFacts {
                name: site_name.clone(),
                importance: asset.importance.max(Importance::Key),
                ..asset.clone()
            },
            title: title(&site_name, &alert.title, hosts),
            remedy: alert.remedy.clone(),
            severity: alert.severity,
            occurred_at: alert.occurred_at,
        };
        change.alerts.insert(alert.id);
        self.open(change, opening, Some(alert.id));
        let Some(fault) = self.alerts.get(&alert.id).and_then(|alert| alert.fault) else {
            return;
        };
        let storm = Storm {
            fault,
            rule: alert.rule.clone(),
            site: asset.site,
            site_name,
            begun_at: change.now,
        };
        change.quiet.storms.push(storm.clone());
        self.quiet.storms.insert(fault, storm);
        change.quiet.tallies.entry(fault).or_default().0 += 1;
        let waiting = self.quiet.withheld.values().filter(|withheld| {
            withheld.cause == Cause::Storm && withheld.by == alert.rule && withheld.asset.site == asset.site
        });
        let waiting: Vec<AlertId> = waiting.map(|withheld| withheld.alert).collect();
        for id in waiting {
            self.join(change, fault, id);
        }
    }

    fn join(&mut self, change: &mut Change, fault: FaultId, id: AlertId) {
        self.unhold(change, id, Outcome::Joined);
        let Some(mut alert) = self.alerts.get(&id).cloned() else {
            return;
        };
        alert.fault = Some(fault);
        self.link(change, id, fault);
        self.worsen(change, Some(fault), alert.severity);
        let before = self.alerts.get(&id).and_then(|alert| alert.fault);
        self.keep(alert);
        self.let_go(change, before);
        change.alerts.insert(id);
        change.quiet.tallies.entry(fault).or_default().0 += 1;
    }

    /// A member of a storm came back; false when the fault is no storm's.
    pub(super) fn rejoin(&mut self, change: &mut Change, fault: FaultId, id: AlertId) -> bool {
        if !self.is_storm(Some(fault)) {
            return false;
        }
        self.set_cleared(change, Some(fault), None);
        // Whether it is withheld is for what covers it to say: it is counted all the same.
        if let Some(mut alert) = self.alerts.get(&id).cloned() {
            alert.fault = Some(fault);
            self.worsen(change, Some(fault), alert.severity);
            self.keep(alert);
        }
        change.quiet.tallies.entry(fault).or_default().0 += 1;
        true
    }

    /// A member of a storm left it; false when the fault is no storm's.
    pub(super) fn leave(&self, change: &mut Change, fault: Option<FaultId>) -> bool {
        match fault {
            Some(fault) if self.is_storm(Some(fault)) => {
                change.quiet.tallies.entry(fault).or_default().1 += 1;
                true
            }
            _ => false,
        }
    }

    fn is_storm(&self, fault: Option<FaultId>) -> bool {
        fault.is_some_and(|fault| self.quiet.storms.contains_key(&fault)) && self.live_ticket_of(fault).is_some()
    }

    /// One line for all members that came and went in this step; the storm's ticket recurs, or is restored.
    pub(super) fn count_storms(&mut self, change: &mut Change) {
        for (fault, (joined, left)) in std::mem::take(&mut change.quiet.tallies) {
            let Some(mut ticket) = self.live_ticket_of(Some(fault)).cloned() else {
                continue;
            };
            let members = self.alerts_of(Some(fault));
            let holding = members
                .iter()
                .filter_map(|id| self.alerts.get(id))
                .filter(|alert| alert.state == AlertState::Raised);
            let mut hosts = BTreeSet::new();
            let mut names = Vec::new();
            for alert in holding {
                if hosts.insert(alert.host) && names.len() < NAMED_MAX {
                    names.push(
                        self.quiet
                            .landscape
                            .place(alert.asset)
                            .map_or_else(|| alert.host.to_string(), |place| place.name.clone()),
                    );
                }
            }
            self.breach(change, &mut ticket);
            let (count, named) = (hosts.len(), names.join(", "));
            let more = if count > names.len() { ", \u{2026}" } else { "" };
            let note = Text::new(
                format!("hosts: {count} (alerts: +{joined}, -{left}): {named}{more}"),
                format!("涉及主机 {count} 台（告警 +{joined}，-{left}）：{named}{more}"),
            );
            change.entry(&mut ticket, &By::SYSTEM, "storm", note);
            ticket.reckoning.moments.recovered = (count == 0).then_some(change.now);
            if count == 0 {
                self.set_cleared(change, Some(fault), Some(change.now));
                self.all_clear(change, &mut ticket, false);
            } else if joined > 0 && matches!(ticket.state, TicketState::Restored | TicketState::Resolved) {
                self.storm_returns(change, &mut ticket);
            }
            self.tickets.insert(ticket.id, ticket);
        }
    }

    fn storm_returns(&mut self, change: &mut Change, ticket: &mut crate::model::Ticket) {
        let action = if ticket.state == TicketState::Resolved {
            ActionKind::Reopen
        } else {
            ActionKind::Recur
        };
        if let Ok(to) = life::next(ticket.state, ticket.prior_state, action) {
            let note = ticket.title.clone();
            change.turn(ticket, &By::SYSTEM, action.as_str(), to, note);
            self.unrestored(change, ticket);
        }
        if ticket.page_due_at.is_none_or(|due| due <= change.now) && self.hushed(change, ticket).is_none() {
            self.tell_of_return(change, ticket);
        }
    }
}

fn title(site: &str, alert: &Text, hosts: usize) -> Text {
    Text::new(
        format!("{site}: {hosts} hosts at once: {}", alert.en),
        format!("{site}：{hosts} 台主机同时告警：{}", alert.zh),
    )
}
