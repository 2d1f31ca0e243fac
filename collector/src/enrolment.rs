//! Enrolment: a single-use token and a public key in, a host's certificate out.

use crate::{
    clock::{self, Clock},
    engine::EngineHandle,
    ingest::{facts_of, status},
    listen::Peer,
    pki::Authority,
};
use std::sync::{Arc, Mutex, PoisonError};
use tocsin_desk::record::{AuditLine, Redeemed};
use tocsin_ledger::{Ledger, NewHost};
use tocsin_proto::v1::{EnrolRequest, EnrolResponse, enrolment_server::Enrolment};
use tocsin_vocabulary::{AssetId, Code, HostId, IdSource};
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
}

#[tonic::async_trait]
impl Enrolment for EnrolmentService {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let from = request
            .extensions()
            .get::<Peer>()
            .map_or_else(String::new, |peer| peer.address.to_string());
        let request = request.into_inner();
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
        let new = NewHost {
            host,
            asset,
            name,
            customer,
            facts: request.facts.map(facts_of).unwrap_or_default(),
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
