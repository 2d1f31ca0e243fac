//! Planned work and topology at the engine: what people plan, what the register says of assets, and guarded hosts.

use super::{Engine, translate::groups_of, unwritable};
use std::collections::BTreeSet;
use tocsin_console::backend::{Failure, Planner};
use tocsin_desk::{
    input::{Input, PlanChange},
    planned::Planned,
    record::{AuditLine, HostRecord},
    topology::{Place, Relations},
};
use tocsin_ledger::LedgerError;
use tocsin_rules::RuleSet;
use tocsin_vocabulary::{Code, HostId, Timestamp};

/// The group that a host is in while a guarded period counts for it: `[[rule.override]] groups = ["guarded"]` holds it to
/// other thresholds.
const GUARDED: &str = "guarded";

/// Hosts for which a guarded period counts, and when that changes.
#[derive(Debug, Default)]
pub(super) struct Guarded {
    hosts: BTreeSet<HostId>,
    changes_at: Option<Timestamp>,
}

/// What a host belongs to, as the register says.
#[derive(Debug)]
pub(super) struct Belongs {
    customer: String,
    groups: Vec<String>,
}

impl Belongs {
    pub(super) fn of(host: &HostRecord) -> Self {
        Self {
            customer: host.customer_name.clone(),
            groups: groups_of(&host.tags),
        }
    }
}

/// What the rules say of each other.
pub(super) fn relations(rules: &RuleSet) -> Relations {
    let silent = |rule: &&tocsin_rules::Rule| matches!(rule.condition, tocsin_rules::Condition::NoData { .. });
    let explained = rules.rules().filter(|rule| !rule.explained_by.is_empty());
    Relations {
        silence: rules.rules().filter(silent).map(|rule| rule.name.clone()).collect(),
        explained_by: explained
            .map(|rule| (rule.name.clone(), rule.explained_by.clone()))
            .collect(),
    }
}

impl Engine {
    /// Gives a new desk what it knows beside the open work.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub(super) async fn furnish(&mut self) -> Result<(), LedgerError> {
        let places = self.parts.ledger.places().await?;
        self.desk.survey(places);
        self.desk.relate(relations(&self.parts.rules));
        self.desk.limit(self.parts.limits);
        Ok(())
    }

    /// What a host's new row says of its place; what it hangs on stays.
    pub(super) fn settle_at(&mut self, host: &HostRecord) {
        let parent = self.desk.landscape().place(host.asset).and_then(|place| place.parent);
        self.desk.place(Place {
            asset: host.asset,
            host: host.revoked_at.is_none().then_some(host.id),
            name: host.name.clone(),
            customer: host.customer,
            site: host.site,
            site_name: host.site_name.clone(),
            tags: host.tags.clone(),
            parent,
        });
        // The host may have come under a guarded period.
        self.guarded.changes_at.get_or_insert(Timestamp::from_millis(0));
    }

    /// A host was shut out: its asset is no longer one of its site's hosts.
    pub(super) fn leave_place(&mut self, host: HostId) {
        let asset = self.assets.get(&host).map(|asset| asset.asset);
        let place = asset.and_then(|asset| self.desk.landscape().place(asset)).cloned();
        if let Some(place) = place {
            self.desk.place(Place { host: None, ..place });
        }
    }

    /// The register says something else of what assets hang on: what is withheld is looked at again.
    pub(super) async fn places_changed(&mut self, now: Timestamp) {
        if self.stale_until.is_some() {
            return; // the desk is about to be made anew, and reads them
        }
        match self.furnish().await {
            Ok(()) => self.relook(now).await,
            Err(error) => self.failed(&error),
        }
    }

    /// What is withheld is looked at again.
    pub(super) async fn relook(&mut self, now: Timestamp) {
        let effects = self.desk.step(Input::Relook, now).unwrap_or_default();
        // A failure is logged and tried again.
        let _ = self.commit(effects, &[]).await;
    }

    /// A person plans something or ends it.
    pub(super) async fn plan(&mut self, plan: PlanChange, by: Planner, now: Timestamp) -> Result<Planned, Failure> {
        self.ready(now).await?;
        let ended = match &plan {
            PlanChange::Add(_) => None,
            PlanChange::End { id, .. } => Some(*id),
        };
        let step = self.desk.step(Input::Plan(plan), now);
        let effects = step.map_err(|refusal| Failure::new(refusal.code, refusal.reason))?;
        // Ids rise with time: what was made just now is the last.
        let mut rows = effects.quiet.planned.iter();
        let row = match ended {
            Some(id) => rows.find(|row| row.id == id),
            None => rows.next_back(),
        };
        let row = row
            .cloned()
            .ok_or_else(|| Failure::new(Code::Internal, "nothing was planned"))?;
        let line = AuditLine {
            at: now,
            actor: if by.via == "cli" { "system".to_owned() } else { by.login },
            via: by.via.to_owned(),
            action: format!("{}.{}", row.kind.as_str(), if ended.is_some() { "end" } else { "add" }),
            subject: row.id.to_string(),
            detail: row.reason.clone(),
        };
        self.commit(effects, &[line]).await?;
        self.guarded.changes_at.get_or_insert(now);
        self.guard(now);
        Ok(row)
    }

    /// Puts hosts into the group of guarded ones, and out of it, when a guarded period begins or ends.
    pub(super) fn guard(&mut self, now: Timestamp) {
        if self.guarded.changes_at.is_none_or(|at| at > now) {
            return;
        }
        let hosts = self.desk.guarded_hosts(now);
        let before = std::mem::replace(&mut self.guarded.hosts, hosts);
        self.guarded.changes_at = self.desk.next_guard_change(now);
        let changed: Vec<HostId> = self.guarded.hosts.symmetric_difference(&before).copied().collect();
        for host in changed {
            self.regroup(host, now);
        }
    }

    /// When [`Self::guard`] has something to do.
    pub(super) const fn guard_due(&self) -> Option<Timestamp> {
        self.guarded.changes_at
    }

    /// The groups of a host, for overrides of thresholds.
    pub(super) fn groups_of(&self, host: HostId) -> Vec<String> {
        let named = self.belongs.get(&host).map(|belongs| belongs.groups.clone());
        let mut groups = named.unwrap_or_default();
        if self.guarded.hosts.contains(&host) {
            groups.push(GUARDED.to_owned());
        }
        groups
    }

    fn regroup(&mut self, host: HostId, now: Timestamp) {
        let Some(customer) = self.belongs.get(&host).map(|belongs| belongs.customer.clone()) else {
            return;
        };
        let groups = self.groups_of(host);
        if !self.gone.contains(&host) {
            self.tell(|rules| rules.assign(host, &groups, &customer, now));
        }
    }
}

/// Why the topology could not be read.
pub(super) fn unread(error: &LedgerError) -> anyhow::Error {
    anyhow::Error::msg(unwritable(error).reason)
}
