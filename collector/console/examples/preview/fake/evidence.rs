//! Evidence of the fake's alerts: the same for all of them.

use super::{Fake, lock};
use async_trait::async_trait;
use tocsin_console::backend::{Evidence, Failure};
use tocsin_desk::model::{Alert, Decision, Phase, RuleVersion, SampledSeries, Samples, Ticket};
use tocsin_vocabulary::{AlertId, FaultId, Timestamp};

#[async_trait]
impl Evidence for Fake {
    async fn alert(&self, id: AlertId) -> Result<Option<Alert>, Failure> {
        Ok(lock(&self.desk).alerts.iter().find(|alert| alert.id == id).cloned())
    }
    async fn ticket_of_fault(&self, fault: FaultId) -> Result<Option<Ticket>, Failure> {
        Ok(lock(&self.desk)
            .tickets
            .iter()
            .find(|ticket| ticket.fault == Some(fault))
            .cloned())
    }
    async fn decisions(&self, alert: &Alert) -> Result<Vec<Decision>, Failure> {
        let turn = |from, to, reason: &str, decided: Timestamp| Decision {
            host: alert.host,
            rule: alert.rule.clone(),
            instance: alert.instance.clone(),
            from,
            to,
            reason: reason.to_owned(),
            since: alert.occurred_at,
            observed: decided,
            decided,
            value: alert.value,
            threshold: alert.threshold,
            worst: alert.value,
            ticks: 3,
            saw: "avg 10m of system.filesystem.utilization = 0.97 (above 0.9)".to_owned(),
            version: alert.ruling.version.clone(),
        };
        Ok(vec![
            turn(Phase::Clear, Phase::Pending, "holds", alert.occurred_at),
            turn(Phase::Pending, Phase::Raised, "held", alert.raised_at),
        ])
    }
    async fn rule_version(&self, version: &str) -> Result<Option<RuleVersion>, Failure> {
        Ok(Some(RuleVersion {
            version: version.to_owned(),
            rule: "filesystem-full".to_owned(),
            text: "[[rule]]\nname = \"filesystem-full\"\nabove = 0.9".to_owned(),
            since: Timestamp::from_millis(0),
        }))
    }
    async fn samples(&self, alert: AlertId) -> Result<Option<Samples>, Failure> {
        let found = self.alert(alert).await?;
        Ok(found.map(|found| Samples {
            alert,
            from: found.occurred_at,
            to: found.raised_at,
            complete: false,
            series: vec![SampledSeries {
                name: found.metric.clone(),
                attributes: Vec::new(),
                unit: "1".to_owned(),
                points: vec![
                    (found.occurred_at.as_millis(), Some(0.89)),
                    (found.raised_at.as_millis(), found.value),
                ],
            }],
        }))
    }
}
