//! Enrolment: a host without identity gets one from a collector, with an install string.
//!
//! Key and signing request are made here; the collector proves that it holds the pinned CA before the token leaves the
//! host (see [`tls::pinned`]).

use crate::{
    app::LOCK_FILE,
    clock::Clock,
    identity::{self, Identity, IdentityError, KeyRequest, NewIdentity},
    tls::{self, ConnectError},
};
use rustls::ClientConfig;
use std::{
    fs::{File, OpenOptions},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tocsin_proto::{
    AGENT_PORT,
    install::InstallString,
    v1::{EnrolRequest, EnrolResponse, HostFacts, enrolment_client::EnrolmentClient},
};
use tonic::Code;

/// A collector that has not answered after this long is given up.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// Why a host could not enrol.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// It has an identity.
    #[error(
        "this host is already enrolled as {0}: use --again to replace its identity, which needs a new install string"
    )]
    Already(String),
    /// It has one, and an agent works with it.
    #[error("an agent runs with the identity that is to be replaced: stop it first (`systemctl stop tocsin-agent`)")]
    Running,
    /// No collector could be reached; the last reason.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The token is not, or no longer, good.
    #[error(
        "{peer} refused the token ({reason}): it was used, has expired or is not its own; ask for a new install string"
    )]
    Token {
        /// Who refused.
        peer: String,
        /// In the collector's words.
        reason: String,
    },
    /// Another refusal.
    #[error("{peer} refused enrolment: {reason}")]
    Refused {
        /// Who refused.
        peer: String,
        /// In the collector's words.
        reason: String,
    },
    /// The answer cannot be used or stored.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The certificate is not valid now.
    #[error(
        "the certificate from {peer} is not valid at the time this host's clock shows: set the clock and enrol again with --again"
    )]
    ClockOff {
        /// Who issued it.
        peer: String,
    },
}

impl EnrolError {
    /// The same in the words of every edge.
    #[must_use]
    pub const fn code(&self) -> tocsin_vocabulary::Code {
        use tocsin_vocabulary::Code;
        match self {
            Self::Already(_) | Self::Running => Code::Conflict,
            Self::Connect(ConnectError::WrongPin { .. }) | Self::Token { .. } => Code::Unauthenticated,
            Self::Connect(_) => Code::Unavailable,
            Self::Refused { .. } | Self::ClockOff { .. } => Code::FailedPrecondition,
            Self::Identity(_) => Code::Internal,
        }
    }
}

/// Enrols this host: tries each address until one answers, stores the identity.
///
/// # Errors
/// With the reason and the remedy. Once a token was sent, no other address is tried.
pub async fn enrol(
    install: &InstallString,
    state_dir: &Path,
    again: bool,
    facts: HostFacts,
    clock: &dyn Clock,
) -> Result<Identity, EnrolError> {
    if identity::is_enrolled(state_dir) && !again {
        let name =
            Identity::load(state_dir).map_or_else(|_| "an unreadable identity".into(), |own| own.host.to_string());
        return Err(EnrolError::Already(name));
    }
    let _stopped = if again { agent_stopped(state_dir)? } else { None };
    let request = KeyRequest::new()?;
    let (peer, response) = ask(install, &request, facts).await?;
    let mut collectors = response.collectors;
    if collectors.is_empty() {
        collectors.push(agents_listener(&peer, response.agents_port));
    }
    let new = NewIdentity {
        key_pem: request.key_pem,
        chain: response.chain.iter().map(|der| der.to_vec()).collect(),
        collectors,
        generation: 1,
    };
    let identity = Identity::store(state_dir, &new)?;
    let now = clock.wall();
    if now < identity.not_before || identity.not_after <= now {
        return Err(EnrolError::ClockOff { peer });
    }
    Ok(identity)
}

/// Keeps an agent from starting while its identity is replaced: what it stores belongs to the old one.
fn agent_stopped(state_dir: &Path) -> Result<Option<File>, EnrolError> {
    let Ok(lock) = OpenOptions::new().write(true).open(state_dir.join(LOCK_FILE)) else {
        return Ok(None); // none has run here
    };
    lock.try_lock().map_err(|_| EnrolError::Running)?;
    Ok(Some(lock))
}

async fn ask(
    install: &InstallString,
    request: &KeyRequest,
    facts: HostFacts,
) -> Result<(String, EnrolResponse), EnrolError> {
    let config = tls::pinned(install.ca_pin)?;
    let mut failed = None;
    for peer in &install.addresses {
        match tls::connect(peer, Arc::<ClientConfig>::clone(&config)).await {
            Ok(channel) => {
                let message = EnrolRequest {
                    token: install.token.clone(),
                    csr: request.csr.clone().into(),
                    facts: Some(facts),
                };
                let mut message = tonic::Request::new(message);
                message.set_timeout(ANSWER_PATIENCE);
                let answer = EnrolmentClient::new(channel).enrol(message).await;
                return match answer {
                    Ok(response) => Ok((peer.clone(), response.into_inner())),
                    Err(status) => Err(refused(peer, &status)),
                };
            }
            Err(error) => {
                tracing::warn!(peer, error = &error as &dyn std::error::Error, "cannot enrol there");
                failed = Some(error);
            }
        }
    }
    let nobody = || ConnectError::Silent {
        peer: "the install string's empty list of addresses".to_owned(),
    };
    Err(failed.unwrap_or_else(nobody).into())
}

fn refused(peer: &str, status: &tonic::Status) -> EnrolError {
    let (peer, reason) = (peer.to_owned(), status.message().to_owned());
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied | Code::NotFound | Code::FailedPrecondition => {
            EnrolError::Token { peer, reason }
        }
        _ => EnrolError::Refused { peer, reason },
    }
}

/// The agents' listener on the machine that answered enrolment.
fn agents_listener(peer: &str, port: u32) -> String {
    let host = peer.rsplit_once(':').map_or(peer, |(host, _)| host);
    let port = if port == 0 { u32::from(AGENT_PORT) } else { port };
    format!("{host}:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::SystemClock, testing::Site};
    use tocsin_proto::v1::enrolment_server::{Enrolment, EnrolmentServer};
    use tocsin_vocabulary::Hash;
    use tokio::{io::AsyncReadExt, net::TcpListener};
    use tokio_rustls::TlsAcceptor;

    struct Desk(Site);

    #[tonic::async_trait]
    impl Enrolment for Desk {
        async fn enrol(
            &self,
            request: tonic::Request<EnrolRequest>,
        ) -> Result<tonic::Response<EnrolResponse>, tonic::Status> {
            let request = request.into_inner();
            if request.token != "good" {
                return Err(tonic::Status::unauthenticated("the token was used"));
            }
            let chain = self.0.chain_for(&request.csr).into_iter().map(Into::into).collect();
            let host_id = self.0.host.to_string();
            Ok(tonic::Response::new(EnrolResponse {
                chain,
                host_id,
                ..EnrolResponse::default()
            }))
        }
    }

    /// A collector's enrolment listener; gives its address and pin.
    async fn desk() -> (String, Hash) {
        let site = Site::new();
        let (tls, pin) = (TlsAcceptor::from(site.server(false)), site.pin());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let incoming = futures_util::stream::unfold((listener, tls), |(listener, tls)| async move {
            let (tcp, _) = listener.accept().await.unwrap();
            Some((tls.accept(tcp).await, (listener, tls)))
        });
        let server = tonic::transport::Server::builder().add_service(EnrolmentServer::new(Desk(site)));
        tokio::spawn(server.serve_with_incoming(incoming));
        (address, pin)
    }

    fn install(addresses: &[&str], ca_pin: Hash, token: &str) -> InstallString {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        InstallString {
            addresses,
            ca_pin,
            token: token.to_owned(),
        }
    }

    async fn try_enrol(install: &InstallString, dir: &Path, again: bool) -> Result<Identity, EnrolError> {
        enrol(install, dir, again, HostFacts::default(), &SystemClock).await
    }

    #[tokio::test]
    async fn a_good_install_string_gives_an_identity_even_when_its_first_address_is_dead() {
        let dir = tempfile::tempdir().unwrap();
        let (address, pin) = desk().await;
        let string = install(&["127.0.0.1:1", &address], pin, "good");
        let identity = try_enrol(&string, dir.path(), false).await.unwrap();
        assert_eq!(identity.collectors, ["127.0.0.1:7443"]);
        assert_eq!(identity.generation, 1);
        tls::mutual(&identity.ca, identity.chain, identity.key).unwrap();

        assert!(matches!(
            try_enrol(&string, dir.path(), false).await,
            Err(EnrolError::Already(_))
        ));
        try_enrol(&string, dir.path(), true).await.unwrap();
    }

    #[tokio::test]
    async fn an_identity_is_not_replaced_while_an_agent_works_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let (address, pin) = desk().await;
        let string = install(&[&address], pin, "good");
        try_enrol(&string, dir.path(), false).await.unwrap();
        let agent = File::create(dir.path().join(LOCK_FILE)).unwrap();
        agent.try_lock().unwrap();
        let error = try_enrol(&string, dir.path(), true).await.unwrap_err();
        assert!(matches!(error, EnrolError::Running), "{error}");
        drop(agent);
        try_enrol(&string, dir.path(), true).await.unwrap();
    }

    #[tokio::test]
    async fn a_used_token_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let (address, pin) = desk().await;
        let error = try_enrol(&install(&[&address], pin, "old"), dir.path(), false)
            .await
            .unwrap_err();
        assert!(matches!(error, EnrolError::Token { .. }), "{error}");
        assert!(!identity::is_enrolled(dir.path()));
    }

    /// A server that decrypts and counts whatever a client sends after the handshake.
    async fn count_after_handshake(server: Arc<rustls::ServerConfig>, pin: Hash) -> (EnrolError, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let counter = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            if let Ok(mut stream) = TlsAcceptor::from(server).accept(tcp).await {
                let _ = stream.read_to_end(&mut received).await;
            }
            received.len()
        });
        let dir = tempfile::tempdir().unwrap();
        let error = try_enrol(&install(&[&address], pin, "good"), dir.path(), false)
            .await
            .unwrap_err();
        (error, counter.await.unwrap())
    }

    #[tokio::test]
    async fn not_one_byte_of_the_token_goes_to_a_server_with_another_ca() {
        let (error, bytes) = count_after_handshake(Site::new().server(false), Site::new().pin()).await;
        assert!(
            matches!(error, EnrolError::Connect(ConnectError::WrongPin { .. })),
            "{error}"
        );
        assert_eq!(bytes, 0);
    }

    #[tokio::test]
    async fn a_server_that_shows_the_right_ca_but_is_not_its_own_gets_nothing() {
        let (ours, theirs) = (Site::new(), Site::new());
        let server = theirs.server_showing(&ours.ca_der);
        let (error, bytes) = count_after_handshake(server, ours.pin()).await;
        assert!(matches!(error, EnrolError::Connect(_)), "{error}");
        assert_eq!(bytes, 0);
    }

    #[tokio::test]
    async fn a_certificate_of_another_time_points_at_the_clock() {
        let site = Site::new();
        let (error, bytes) = count_after_handshake(site.server(true), site.pin()).await;
        assert!(
            matches!(error, EnrolError::Connect(ConnectError::ClockOff { .. })),
            "{error}"
        );
        assert_eq!(bytes, 0);
    }
}
