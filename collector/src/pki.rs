//! The site's own certificate authorities.
//!
//! Two authorities, so that one can't speak for the other: `agents` issues the collector's server certificate for the
//! agents' and enrolment listeners and the hosts' client certificates; `console` issues the certificate that browsers
//! see, unless the administrator brings one. A host's certificate lives for [`AGENT_DAYS`] and names the host in its
//! URI SAN only; **every** field of the request but the public key is overwritten, for a CSR may ask for anything.

use crate::{
    clock,
    files::{self, FileError},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType, SerialNumber,
};
use rustls_pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _,
};
use std::{net::IpAddr, path::Path, time::Duration};
use tocsin_vocabulary::{Hash, HostId, Timestamp};

/// How long a host's certificate is good. It renews at half of it, so a host may be away for three days.
pub const AGENT_DAYS: u64 = 7;
/// How long a server certificate is good; a new one is made at each start and each month.
pub const SERVER_DAYS: u64 = 90;
/// How long an authority is good.
const AUTHORITY_DAYS: u64 = 20 * 365;
/// Certificates begin this much before now: a host whose clock lags by the hours of any time zone must still be heard.
const BACKDATE: Duration = Duration::from_secs(26 * 3_600);
/// The name that the collector's server certificate bears, whatever its address.
pub const SERVER_NAME: &str = "tocsin-collector";

const DAY: Duration = Duration::from_secs(86_400);

/// An authority or a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The state folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// A stored key or certificate is not readable as one.
    #[error("{what} is not a usable key and certificate: restore it from a backup")]
    Stored {
        /// Which file.
        what: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// Making or signing failed.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] clock::RandomError),
    /// The request of a host is not a certificate request.
    #[error("the certificate request is malformed or its signature is wrong")]
    Request(#[source] rcgen::Error),
}

/// An authority of the site, with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("pin", &self.pin())
            .finish_non_exhaustive()
    }
}

/// A certificate with its key, as a listener needs it.
pub struct Identity {
    /// Own certificate first, the authority's last.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

impl Authority {
    /// Opens the authority `name` in `folder`, and makes it first when there is none.
    ///
    /// # Errors
    /// When files can't be read or written, or are damaged.
    pub fn open(folder: &Path, name: &str, common_name: &str, now: Timestamp) -> Result<Self, PkiError> {
        files::create_private_dir(folder)?;
        let path = folder.join(format!("{name}.pem"));
        let pem = match files::read_optional(&path)? {
            Some(pem) => pem,
            None => {
                let pem = make_authority(common_name, now)?;
                files::write_private(&path, pem.as_bytes())?;
                pem
            }
        };
        let damaged = |source| PkiError::Stored {
            what: path.display().to_string(),
            source,
        };
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| damaged(rcgen::Error::CouldNotParseCertificate))?;
        let key = KeyPair::from_pem(&pem).map_err(damaged)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(damaged)?;
        let public = pem
            .find("-----BEGIN CERTIFICATE")
            .map_or("", |at| &pem[at..])
            .to_owned();
        Ok(Self {
            issuer,
            certificate,
            pem: public,
        })
    }

    /// The certificate, DER.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate, PEM, without the key.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What agents pin: SHA-256 of the certificate.
    #[must_use]
    pub fn pin(&self) -> Hash {
        Hash::of(&self.certificate)
    }

    /// A server certificate for these DNS names and addresses.
    ///
    /// # Errors
    /// When a name is not a DNS name, or signing fails.
    pub fn server(&self, names: &[String], addresses: &[IpAddr], now: Timestamp) -> Result<Identity, PkiError> {
        let mut params = CertificateParams::new(names.to_vec())?;
        params
            .subject_alt_names
            .extend(addresses.iter().copied().map(SanType::IpAddress));
        params.distinguished_name = common_name(names.first().map_or(SERVER_NAME, String::as_str));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        validity(&mut params, now, SERVER_DAYS);
        params.serial_number = Some(serial()?);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            chain: vec![certificate.der().clone(), self.certificate.clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }

    /// A host's certificate over the public key of `csr`; answers chain and end of validity.
    ///
    /// # Errors
    /// When the request is malformed or signing fails.
    pub fn sign_agent(&self, csr: &[u8], host: HostId, now: Timestamp) -> Result<(Vec<Vec<u8>>, Timestamp), PkiError> {
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr))
            .map_err(PkiError::Request)?;
        let uri = tocsin_proto::identity::agent_uri(host);
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&host.to_string());
        params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(serial()?);
        let until = validity(&mut params, now, AGENT_DAYS);
        debug_assert!(!request.public_key.der_bytes().is_empty());
        let certificate = params.signed_by(&request.public_key, &self.issuer)?;
        Ok((vec![certificate.der().to_vec(), self.certificate.to_vec()], until))
    }
}

fn make_authority(name: &str, now: Timestamp) -> Result<String, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(serial()?);
    validity(&mut params, now, AUTHORITY_DAYS);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Sets `not_before` and `not_after` (rcgen's own are the years 1975 and 4096); answers the end.
fn validity(params: &mut CertificateParams, now: Timestamp, days: u64) -> Timestamp {
    // Whole seconds, as the certificate has them: what it says and what the ledger keeps must compare.
    let until = now
        .floor_to(Duration::from_secs(1))
        .plus(DAY * u32::try_from(days).unwrap_or(u32::MAX));
    let seconds = |instant: Timestamp| Duration::from_millis(u64::try_from(instant.as_millis()).unwrap_or(0));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + seconds(now.minus(BACKDATE));
    params.not_after = epoch + seconds(until);
    until
}

fn serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; 16];
    clock::random(&mut bytes)?;
    bytes[0] &= 0x7F; // positive
    Ok(SerialNumber::from_slice(&bytes))
}

/// Reads an identity that the administrator brought: PEM chain and PEM key.
///
/// # Errors
/// When a file can't be read or holds no certificate or key.
pub fn read_identity(chain: &Path, key: &Path) -> Result<Identity, String> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(chain)
        .map_err(|error| format!("cannot read certificate {}: {error}", chain.display()))?
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{} is not a PEM certificate chain: {error}", chain.display()))?;
    if certificates.is_empty() {
        return Err(format!(
            "{} holds no certificate: expected PEM, own certificate first",
            chain.display()
        ));
    }
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("{} holds no usable private key: {error}", key.display()))?;
    Ok(Identity {
        chain: certificates,
        key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::IdSource;
    use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    #[test]
    fn an_authority_is_made_once_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let made = Authority::open(folder.path(), "agents", "Tocsin agents", NOW).unwrap();
        let read = Authority::open(folder.path(), "agents", "Tocsin agents", NOW).unwrap();
        assert_eq!(made.pin(), read.pin());
        assert!(!made.pem().contains("PRIVATE"));
    }

    #[test]
    fn a_damaged_authority_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("agents.pem"), "garbage").unwrap();
        let error = Authority::open(folder.path(), "agents", "x", NOW).unwrap_err();
        assert!(error.to_string().contains("agents.pem"), "{error}");
    }

    #[test]
    fn everything_that_a_request_asks_for_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), "agents", "Tocsin agents", NOW).unwrap();
        let host = HostId::next(&mut IdSource::new(1), NOW);
        let key = KeyPair::generate().unwrap();
        let mut asks = CertificateParams::new(vec!["evil.example".to_owned()]).unwrap();
        asks.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        asks.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        asks.distinguished_name = common_name("spiffe://tocsin/agent/other");
        let csr = asks.serialize_request(&key).unwrap();

        let (chain, until) = authority.sign_agent(csr.der(), host, NOW).unwrap();

        let (_, certificate) = X509Certificate::from_der(&chain[0]).unwrap();
        assert!(!certificate.is_ca());
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        let uri = tocsin_proto::identity::agent_uri(host);
        assert_eq!(names.value.general_names, vec![GeneralName::URI(&uri)]);
        let usage = certificate.extended_key_usage().unwrap().unwrap();
        assert!(usage.value.client_auth && !usage.value.server_auth);
        assert_eq!(certificate.validity().not_after.timestamp() * 1_000, until.as_millis());
        assert_eq!(until, NOW.plus(Duration::from_secs(7 * 86_400)));
    }

    #[test]
    fn garbage_is_no_request() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), "agents", "Tocsin agents", NOW).unwrap();
        let host = HostId::next(&mut IdSource::new(1), NOW);
        assert!(matches!(
            authority.sign_agent(b"garbage", host, NOW),
            Err(PkiError::Request(_))
        ));
    }
}
