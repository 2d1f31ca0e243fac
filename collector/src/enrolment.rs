//! Enrolment: a single-use token and a public key in, a host's certificate out.

use crate::{
    clock::{self, Clock},
    engine::EngineHandle,
    ingest::{facts_of, status},
    listen::Peer,
    pki::Authority,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tocsin_desk::record::{AuditLine, Redeemed};
use tocsin_ledger::{Ledger, NewHost};
use tocsin_proto::v1::{EnrolRequest, EnrolResponse, enrolment_server::Enrolment};
use tocsin_vocabulary::{AssetId, Code, HostId, IdSource, Timestamp};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

/// Serves the enrolment listener.
pub struct EnrolmentService {
    /// Where tokens and hosts are kept.
    pub ledger: Arc<Ledger>,
    /// Signs the hosts' certificates.
    pub authority: Arc<Authority>,
    /// Learns of new hosts.
    pub engine: EngineHandle,
    /// The shell's clock.
    pub clock: Clock,
    /// Names the new hosts.
    pub ids: Mutex<IdSource>,
    /// `host:port` list that agents are told to use.
    pub advertised: Vec<String>,
    /// Port of the agents' listener, for those that were told no address.
    pub agents_port: u16,
    /// What strangers may cost.
    pub gate: Gate,
}

/// Enrolments that are looked at together; further ones wait. Anybody can ask, and each costs the ledger a write.
const TOGETHER_MAX: usize = 4;
/// Refusals that are logged and audited in a minute; further ones are counted, so that a stranger can't fill the disk.
const REFUSALS_NOTED: u32 = 30;
const REFUSALS_PERIOD: Duration = Duration::from_secs(60);

/// Bounds what people without a token can cost.
#[derive(Debug)]
pub struct Gate {
    together: Semaphore,
    noted: Mutex<Noted>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            together: Semaphore::new(TOGETHER_MAX),
            noted: Mutex::default(),
        }
    }
}

/// Refusals of the present minute.
#[derive(Debug, Default)]
struct Noted {
    since: Timestamp,
    refusals: u32,
}

impl Noted {
    /// Whether this refusal is noted, and how many were not in the minute that just ended.
    fn refusal(&mut self, now: Timestamp) -> (bool, u32) {
        let mut missed = 0;
        if now.since(self.since) >= REFUSALS_PERIOD {
            missed = self.refusals.saturating_sub(REFUSALS_NOTED);
            *self = Self {
                since: now,
                refusals: 0,
            };
        }
        self.refusals = self.refusals.saturating_add(1);
        (self.refusals <= REFUSALS_NOTED, missed)
    }
}

#[tonic::async_trait]
impl Enrolment for EnrolmentService {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let from = request
            .extensions()
            .get::<Peer>()
            .map_or_else(String::new, |peer| peer.address.to_string());
        let request = request.into_inner();
        let _turn = self
            .gate
            .together
            .acquire()
            .await
            .map_err(|_| status(Code::Unavailable, "the collector is stopping"))?;
        let now = (self.clock)();
        let (host, asset) = {
            let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
            (HostId::next(&mut ids, now), AssetId::next(&mut ids, now))
        };
        // Signed before the token is used up: a malformed request must not cost the officer a token.
        let (chain, until) = self
            .authority
            .sign_agent(&request.csr, host, now)
            .map_err(|error| status(Code::InvalidInput, error.to_string()))?;
        let redeemed = self
            .ledger
            .redeem_enrol_token(&clock::secret_hash(&request.token), now)
            .await
            .map_err(|error| status(error.code(), error.to_string()))?;
        let (name, customer) = match redeemed {
            Redeemed::Good { host_name, customer } => (host_name, customer),
            refused => return Err(self.refuse(&from, &refused).await),
        };
        let facts = request.facts.map(facts_of).unwrap_or_default();
        // A host that is called nothing could not be told from others.
        let name = [name, facts.hostname.trim().to_owned(), format!("host {host}")]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default();
        let new = NewHost {
            host,
            asset,
            name,
            customer,
            facts,
            certificate_until: until,
        };
        let line = self.line(
            "host.enrol",
            &host.to_string(),
            format!("{} from {from}", new.facts.hostname),
        );
        let record = self
            .ledger
            .enrol_host(&new, now, &[line])
            .await
            .map_err(|error| status(error.code(), error.to_string()))?;
        let name = record.name.as_str();
        tracing::info!(%host, name, from, "host enrolled");
        self.engine.host_changed(record).await;
        Ok(Response::new(EnrolResponse {
            chain: chain.into_iter().map(Into::into).collect(),
            host_id: host.to_string(),
            collectors: self.advertised.clone(),
            agents_port: self.agents_port.into(),
            not_after_ms: until.as_millis(),
        }))
    }
}

impl EnrolmentService {
    async fn refuse(&self, from: &str, refused: &Redeemed) -> Status {
        let reason = match refused {
            Redeemed::Used { at } => format!("this token was used at {at}: ask for a new one"),
            Redeemed::Expired { at } => format!("this token expired at {at}: ask for a new one"),
            _ => "this token is not known here: copy the whole install string again, or ask for a new one".to_owned(),
        };
        let (noted, missed) = {
            let mut noted = self.gate.noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.refusal((self.clock)())
        };
        if missed > 0 {
            tracing::warn!(missed, "so many more enrolments were refused without being noted");
        }
        if !noted {
            return status(Code::Unauthenticated, reason);
        }
        tracing::warn!(from, reason, "enrolment refused");
        if let Err(error) = self
            .ledger
            .audit(self.line("host.enrol_refused", from, reason.clone()))
            .await
        {
            tracing::error!(%error, "cannot write the audit trail");
        }
        status(Code::Unauthenticated, reason)
    }

    fn line(&self, action: &str, subject: &str, detail: String) -> AuditLine {
        AuditLine {
            at: (self.clock)(),
            actor: "system".to_owned(),
            via: "agent".to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_who_guesses_tokens_does_not_fill_the_audit_trail() {
        let mut noted = Noted::default();
        let now = Timestamp::from_millis(1_790_000_000_000);
        let written = (0..1_000).filter(|_| noted.refusal(now).0).count();
        assert_eq!(written, 30);
        assert_eq!(noted.refusal(now.plus(REFUSALS_PERIOD)), (true, 970));
    }
}
