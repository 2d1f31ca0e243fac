//! The certificate that a server shows: how long it is good, whether it is for the name, and whether somebody trusted
//! issued it.
//!
//! The handshake is finished whatever the certificate is, so that a bad one can be described; nothing is sent over a
//! connection whose certificate was not judged to be good, unless the probe says `verify = false`.

use super::{NAME_MATCH, TIME_LEFT, TRUSTED, Trouble, Values};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The authorities of the system, read when they are needed first.
#[derive(Debug, Default)]
pub(super) struct SystemRoots(OnceCell<Arc<RootCertStore>>);

impl SystemRoots {
    async fn get(&self) -> Result<Arc<RootCertStore>, Trouble> {
        self.0.get_or_try_init(load_system_roots).await.cloned()
    }
}

async fn load_system_roots() -> Result<Arc<RootCertStore>, Trouble> {
    let load = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    match tokio::task::spawn_blocking(load).await {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        _ => Err(Trouble::Unable(
            "this system has no certificate authorities: install ca-certificates, or name a file with `ca`".to_owned(),
        )),
    }
}

/// The authorities of a PEM file, or those of the system.
pub(super) async fn roots(ca: Option<&Path>, system: &SystemRoots) -> Result<Arc<RootCertStore>, Trouble> {
    let Some(path) = ca else {
        return system.get().await;
    };
    let unable = |why: String| Trouble::Unable(format!("cannot use the authorities of {}: {why}", path.display()));
    let pem = tokio::task::spawn_blocking({
        let path = path.to_owned();
        move || std::fs::read(path)
    });
    let pem = match pem.await {
        Ok(read) => read.map_err(|error| unable(error.to_string()))?,
        Err(error) => return Err(unable(error.to_string())),
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unable("it holds no certificate".to_owned()));
    }
    Ok(Arc::new(roots))
}

/// What a server showed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    /// Seconds until it is not good any more; below zero when that is past.
    left: i64,
    /// Whether the chain ends at a trusted authority.
    chain: Result<(), CertificateError>,
    /// Whether it is for the name.
    name: Result<(), CertificateError>,
}

impl Shown {
    /// Its values. Whether a chain is trusted is not known of one that is not valid now.
    pub(super) fn tell(&self, values: &mut Values) {
        #[allow(clippy::cast_precision_loss)] // seconds of some centuries
        values.push((TIME_LEFT, self.left as f64));
        if !self.is_out_of_time() {
            values.push((TRUSTED, f64::from(u8::from(self.chain.is_ok()))));
        }
        values.push((NAME_MATCH, f64::from(u8::from(self.name.is_ok()))));
    }

    const fn is_out_of_time(&self) -> bool {
        matches!(
            self.chain,
            Err(CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. })
        )
    }

    /// Why it is not good; `Ok` when it is.
    pub(super) fn verdict(&self, name: &str) -> Result<(), Trouble> {
        let why = match (&self.chain, &self.name) {
            (Err(error), _) => reason(error),
            (_, Err(_)) => format!("the certificate is not for {name}"),
            (Ok(()), Ok(())) => return Ok(()),
        };
        Err(Trouble::Failed(why))
    }
}

fn reason(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet".to_owned()
        }
        // Authorities that bear the same name are told apart by what they sign.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "nobody who is trusted issued the certificate".to_owned()
        }
        CertificateError::Revoked => "the certificate was revoked".to_owned(),
        other => format!("the certificate is not good: {}", rustls::Error::from(other.clone())),
    }
}

/// Shakes hands and tells what was shown.
pub(super) async fn shake_hands(
    stream: TcpStream,
    name: &str,
    roots: Arc<RootCertStore>,
) -> Result<(TlsStream<TcpStream>, Shown), Trouble> {
    let server_name =
        ServerName::try_from(name.to_owned()).map_err(|_| Trouble::Unable(format!("`{name}` is no server's name")))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let witness = Arc::new(Witness {
        roots,
        provider: Arc::clone(&provider),
        shown: Mutex::new(None),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Trouble::Unable(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(server_name, stream)
        .await
        .map_err(|error| Trouble::Failed(format!("no TLS: {error}")))?;
    let shown = witness.shown.lock().unwrap_or_else(PoisonError::into_inner).take();
    let shown = shown.ok_or_else(|| Trouble::Failed("the server showed no certificate".to_owned()))?;
    Ok((stream, shown))
}

/// Judges the certificate, keeps the verdict, and lets the handshake go on.
#[derive(Debug)]
struct Witness {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    shown: Mutex<Option<Shown>>,
}

impl Witness {
    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<Shown, rustls::Error> {
        let bad = || rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
        let (_, fields) = x509_parser::parse_x509_certificate(certificate).map_err(|_| bad())?;
        let not_after = fields.validity().not_after.timestamp();
        let parsed = ParsedCertificate::try_from(certificate)?;
        let chain = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        );
        Ok(Shown {
            left: not_after.saturating_sub(i64::try_from(now.as_secs()).unwrap_or(i64::MAX)),
            chain: chain.map_err(certificate_error),
            name: verify_server_name(&parsed, name).map_err(certificate_error),
        })
    }
}

fn certificate_error(error: rustls::Error) -> CertificateError {
    match error {
        rustls::Error::InvalidCertificate(error) => error,
        other => CertificateError::Other(rustls::OtherError(Arc::new(other))),
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = self.judge(end_entity, intermediates, server_name, now)?;
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
