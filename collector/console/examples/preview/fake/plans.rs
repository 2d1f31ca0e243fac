//! Planned work of the made-up duty room: what is planned is kept, and nothing is withheld.

use super::*;
use tocsin_console::backend::{PlanRequest, Planner, Plans};
use tocsin_desk::{
    planned::{NewPlanned, Planned, PlannedKind, Scope, Span},
    record::PlannedFilter,
    topology::Place,
    withheld::Withheld,
};
use tocsin_vocabulary::{AlertId, PlannedId};

fn refused(code: Code, reason: impl Into<String>) -> Failure {
    Failure::new(code, reason)
}

#[async_trait]
impl Plans for Fake {
    async fn plan(&self, kind: PlannedKind, request: PlanRequest, by: Planner) -> Result<Planned, Failure> {
        let now = self.now();
        let mut assets = Vec::new();
        for name in &request.hosts {
            let host = self.hosts.iter().find(|host| host.record.name == *name);
            let host = host.ok_or_else(|| refused(Code::NotFound, format!("there is no host `{name}`")))?;
            assets.push(host.record.asset);
        }
        let instant = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        let from = instant(&request.from).unwrap_or(now);
        let to = instant(&request.until).or(request.lasting.map(|lasting| from.plus(lasting.0)));
        let owner = self
            .people
            .iter()
            .find(|person| Some(&person.login) == request.owner.as_ref());
        let new = NewPlanned {
            kind,
            scope: Scope {
                assets,
                tags: request.tags,
                rules: request.rules,
                instances: request.instances,
                ..Scope::default()
            },
            span: Span {
                from,
                to,
                repeats: None,
            },
            reason: request.reason,
            owner: owner.map(|person| person.id),
            made_by: by.login.clone(),
        };
        let mistakes = new.mistakes(now);
        if !mistakes.is_empty() {
            return Err(refused(Code::InvalidInput, mistakes.join("; ")));
        }
        let mut plans = lock(&self.plans);
        let id = PlannedId::from_bytes([u8::try_from(plans.len() + 1).unwrap_or(u8::MAX); 16]);
        let planned = new.keep(id, now);
        plans.push(planned.clone());
        lock(&self.doors).audit.push(AuditLine {
            at: now,
            actor: by.login,
            via: by.via.to_owned(),
            action: format!("{}.add", kind.as_str()),
            subject: id.to_string(),
            detail: planned.reason.clone(),
        });
        Ok(planned)
    }

    async fn end_plan(&self, kind: PlannedKind, id: PlannedId, by: Planner) -> Result<Planned, Failure> {
        let mut plans = lock(&self.plans);
        let found = plans
            .iter_mut()
            .find(|row| row.id == id && row.kind == kind && row.ended_at.is_none());
        let planned = found.ok_or_else(|| refused(Code::NotFound, "there is no such thing, or it is over"))?;
        planned.ended_at = Some(self.now());
        planned.ended_by = Some(by.login);
        Ok(planned.clone())
    }

    async fn planned(&self, filter: &PlannedFilter) -> Result<List<Planned>, Failure> {
        let fits = |row: &&Planned| {
            filter.kind.is_none_or(|kind| row.kind == kind) && !(filter.open_only && row.ended_at.is_some())
        };
        Ok(all(lock(&self.plans).iter().rev().filter(fits).cloned().collect()))
    }

    async fn withheld(&self) -> Result<Vec<Withheld>, Failure> {
        Ok(Vec::new())
    }

    async fn withheld_under(&self, _: TicketId) -> Result<Vec<Withheld>, Failure> {
        Ok(Vec::new())
    }

    async fn withheld_of(&self, _: AlertId) -> Result<Option<Withheld>, Failure> {
        Ok(None)
    }

    async fn places(&self) -> Result<Vec<Place>, Failure> {
        let place = |host: &Host| Place {
            asset: host.record.asset,
            host: Some(host.record.id),
            name: host.record.name.clone(),
            customer: host.record.customer,
            site: host.record.site,
            site_name: host.record.site_name.clone(),
            tags: host.record.tags.clone(),
            parent: None,
        };
        Ok(self.hosts.iter().map(place).collect())
    }

    async fn set_parents(&self, parents: Vec<(String, Option<String>)>, _: Planner) -> Result<(), Failure> {
        let known = |name: &String| self.hosts.iter().any(|host| host.record.name == *name);
        match parents.iter().find(|(asset, _)| !known(asset)) {
            Some((asset, _)) => Err(refused(Code::NotFound, format!("there is no asset `{asset}`"))),
            None => Ok(()),
        }
    }
}
