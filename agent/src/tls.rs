//! Connections to a collector: TLS by rustls, handed to tonic as one ready stream.
//!
//! The name in the server's certificate is always `tocsin-collector`, so that addresses may be anything; what makes the
//! server the right one is that its chain ends at the site's CA.

use hyper_util::rt::TokioIo;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tocsin_vocabulary::Hash;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};

/// The name in every collector's certificate.
pub const SERVER_NAME: &str = "tocsin-collector";
/// A connection that is not there after this long is given up.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// A silent connection is asked for a sign of life this often …
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// … and given up when none comes within this.
const KEEPALIVE_PATIENCE: Duration = Duration::from_secs(5);

/// What a collector may send before it is read: its messages are small.
const WINDOW_BYTES: u32 = 64 * 1024;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No TCP connection.
    #[error("cannot reach {peer}: check the address, the firewall and that the collector runs")]
    Unreachable {
        /// Who was called.
        peer: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nothing happened for a while.
    #[error("{peer} did not answer within {} s: check the address and the firewall", CONNECT_PATIENCE.as_secs())]
    Silent {
        /// Who was called.
        peer: String,
    },
    /// The server does not hold a certificate of the pinned CA.
    #[error(
        "{peer} is not a collector of this site: its certificate does not come from the CA that this host trusts; \
         nothing was sent to it. Check the address, or enrol with a new install string"
    )]
    WrongPin {
        /// Who was called.
        peer: String,
    },
    /// The server's certificate is not valid at this host's time.
    #[error(
        "the certificate of {peer} is not valid at the time this host's clock shows: set the clock, or renew the collector's certificate"
    )]
    ClockOff {
        /// Who was called.
        peer: String,
        /// What rustls said.
        #[source]
        source: io::Error,
    },
    /// Any other failure of the handshake.
    #[error("no secure connection with {peer}: check that this is a collector's port for agents")]
    Handshake {
        /// Who was called.
        peer: String,
        /// What rustls said.
        #[source]
        source: io::Error,
    },
    /// tonic would not take the stream.
    #[error("no gRPC over the connection with {peer}")]
    Transport {
        /// Who was called.
        peer: String,
        /// What tonic said.
        #[source]
        source: tonic::transport::Error,
    },
    /// Certificate, key or CA are not usable for TLS.
    #[error("the stored certificate, key or CA cannot be used: enrol again with --again")]
    Unusable(#[source] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn with_http2(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// TLS for a host that has a certificate: trusts the CA and shows the certificate.
///
/// # Errors
/// When they cannot be used.
pub fn mutual(
    ca: &CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ClientConfig>, ConnectError> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).map_err(ConnectError::Unusable)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_root_certificates(roots).with_client_auth_cert(chain, key))
        .map_err(ConnectError::Unusable)?;
    Ok(with_http2(config))
}

/// TLS for a host that has only the CA's fingerprint. The handshake fails, before any byte of ours but the handshake's
/// is sent, unless the server's chain holds a CA of this fingerprint and is valid under it.
///
/// # Errors
/// When rustls does not know the protocol versions; it does.
pub fn pinned(pin: Hash) -> Result<Arc<ClientConfig>, ConnectError> {
    let verifier = PinnedVerifier {
        pin,
        provider: provider(),
    };
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(ConnectError::Unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(with_http2(config))
}

/// Trusts exactly the CA whose DER has this SHA-256.
#[derive(Debug)]
struct PinnedVerifier {
    pin: Hash,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let ca = intermediates
            .iter()
            .find(|certificate| Hash::of(certificate) == self.pin)
            .ok_or(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Connects to `peer` (`host:port`) and gives a channel over that one connection; when it breaks, the channel is dead.
///
/// # Errors
/// With the reason and the remedy.
pub async fn connect(peer: &str, config: Arc<ClientConfig>) -> Result<Channel, ConnectError> {
    let stream = tokio::time::timeout(CONNECT_PATIENCE, handshake(peer, config))
        .await
        .map_err(|_| ConnectError::Silent { peer: peer.to_owned() })??;
    let once = Arc::new(Mutex::new(Some(TokioIo::new(stream))));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = once.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move { stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
    });
    // Plain http to tonic: TLS is already done.
    Endpoint::from_static("http://tocsin-collector")
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .http2_keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_PATIENCE)
        .keep_alive_while_idle(true)
        .connect_with_connector(connector)
        .await
        .map_err(|source| ConnectError::Transport {
            peer: peer.to_owned(),
            source,
        })
}

async fn handshake(peer: &str, config: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, ConnectError> {
    let unreachable = |source| ConnectError::Unreachable {
        peer: peer.to_owned(),
        source,
    };
    let tcp = TcpStream::connect(peer).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    TlsConnector::from(config)
        .connect(server_name(), tcp)
        .await
        .map_err(|source| explain(peer, source))
}

/// The alert with which the peer ended the connection, when that is what lies behind `error`. A server says so what it
/// thinks of our certificate, after the handshake as we see it (RFC 8446, 4.4.2.4 and 6.2). h2 hands on no more than
/// the text of what rustls said.
pub(crate) fn alert_behind(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    const WORDS: &str = "received fatal alert: ";
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| {
        let text = error.to_string();
        let (_, alert) = text.split_once(WORDS)?;
        Some(alert.to_owned())
    })
}

#[allow(
    clippy::expect_used,
    reason = "a constant that is a valid DNS name, as the tests below connect to"
)]
fn server_name() -> ServerName<'static> {
    ServerName::try_from(SERVER_NAME).expect("a DNS name")
}

fn explain(peer: &str, source: io::Error) -> ConnectError {
    let peer = peer.to_owned();
    let reason = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match reason {
        // Authorities of different sites bear the same name, so another site's shows as a signature that is not theirs.
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            ConnectError::WrongPin { peer }
        }
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => ConnectError::ClockOff { peer, source },
        _ => ConnectError::Handshake { peer, source },
    }
}
