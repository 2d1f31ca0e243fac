//! Who this host is: the certificate that a collector issued at enrolment, its key, and the CA.
//!
//! `identity/` below the state directory holds `key.pem` (0600), `chain.pem`, `ca.pem`, `host_id`, `collectors` (one a
//! line) and `generation`. The directory is replaced as a whole, by two renames, so that key and certificate always
//! belong together; a crash between the renames is mended when the identity is next loaded.

use crate::files::{self, FileError};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tocsin_proto::identity::host_of_uri;
use tocsin_vocabulary::{HostId, Timestamp};
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

/// Why there is no usable identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Never enrolled.
    #[error("this host is not enrolled ({} does not exist): run `tocsin-agent enrol` with an install string", .0.display())]
    Absent(PathBuf),
    /// A part cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A part is there but is not what it should be.
    #[error("the identity in {} cannot be used, {problem}: enrol again with --again", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No key or signing request could be made.
    #[error("cannot make a key and a signing request")]
    Key(#[source] rcgen::Error),
}

/// A host's identity as stored.
#[derive(Debug)]
pub struct Identity {
    /// The host that the certificate names.
    pub host: HostId,
    /// Own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the first certificate.
    pub key: PrivateKeyDer<'static>,
    /// The CA that collectors' certificates must chain to.
    pub ca: CertificateDer<'static>,
    /// `host:port` of the agents' listeners, as told at enrolment.
    pub collectors: Vec<String>,
    /// Number of certificates received so far.
    pub generation: u64,
    /// The certificate is valid from here …
    pub not_before: Timestamp,
    /// … to here.
    pub not_after: Timestamp,
}

/// A new private key and the request that a collector turns into a certificate.
pub struct KeyRequest {
    /// PKCS#8 PEM; never leaves the host.
    pub key_pem: String,
    /// PKCS#10 DER.
    pub csr: Vec<u8>,
}

impl KeyRequest {
    /// A new P-256 key. The request names nobody: the collector decides whom the certificate names.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new() -> Result<Self, IdentityError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(IdentityError::Key)?;
        let request = rcgen::CertificateParams::default()
            .serialize_request(&key)
            .map_err(IdentityError::Key)?;
        Ok(Self {
            key_pem: key.serialize_pem(),
            csr: request.der().to_vec(),
        })
    }
}

/// What a collector answered, ready to be stored.
pub struct NewIdentity {
    /// PKCS#8 PEM.
    pub key_pem: String,
    /// DER, own certificate first, the CA last.
    pub chain: Vec<Vec<u8>>,
    /// `host:port` of the agents' listeners.
    pub collectors: Vec<String>,
    /// Number of certificates received, this one included.
    pub generation: u64,
}

/// Whether this host has an identity.
#[must_use]
pub fn is_enrolled(state_dir: &Path) -> bool {
    mend(state_dir);
    place(state_dir).exists()
}

fn place(state_dir: &Path) -> PathBuf {
    state_dir.join("identity")
}

/// Finishes a replacement that a crash cut in two.
fn mend(state_dir: &Path) {
    let (current, new) = (place(state_dir), state_dir.join("identity.new"));
    if !current.exists() && new.join("complete").exists() {
        let _ = fs::rename(new, current);
    }
}

impl Identity {
    /// Reads the stored identity and checks that its parts fit together.
    ///
    /// # Errors
    /// When it is absent, unreadable or damaged.
    pub fn load(state_dir: &Path) -> Result<Self, IdentityError> {
        mend(state_dir);
        let dir = place(state_dir);
        if !dir.exists() {
            return Err(IdentityError::Absent(dir));
        }
        let chain = certificates(&dir.join("chain.pem"))?;
        let ca_path = dir.join("ca.pem");
        let ca = certificates(&ca_path)?.swap_remove(0);
        let key_path = dir.join("key.pem");
        let key = PrivateKeyDer::from_pem_slice(&read(&key_path)?)
            .map_err(|_| damaged(&key_path, "it holds no private key"))?;
        let (host, not_before, not_after) = subject(&chain[0], &dir.join("chain.pem"))?;
        let collectors = text(&dir.join("collectors"))?.lines().map(str::to_owned).collect();
        let generation_path = dir.join("generation");
        let generation = text(&generation_path)?
            .trim()
            .parse()
            .map_err(|_| damaged(&generation_path, "it is not a number"))?;
        Ok(Self {
            host,
            chain,
            key,
            ca,
            collectors,
            generation,
            not_before,
            not_after,
        })
    }

    /// Replaces the stored identity as a whole.
    ///
    /// # Errors
    /// When the chain is not usable or a file cannot be written; the old identity then stays.
    pub fn store(state_dir: &Path, new: &NewIdentity) -> Result<Self, IdentityError> {
        let dir = place(state_dir);
        let (Some(own), Some(ca)) = (new.chain.first(), new.chain.last()) else {
            return Err(damaged(&dir, "the collector sent no certificate"));
        };
        let (host, ..) = subject(own, &dir.join("chain.pem"))?;
        files::private_dir(state_dir)?;
        let beside = state_dir.join("identity.new");
        let _ = fs::remove_dir_all(&beside);
        files::private_dir(&beside)?;
        let chain: String = new.chain.iter().map(|der| pem(der)).collect();
        let parts: [(&str, String); 7] = [
            ("key.pem", new.key_pem.clone()),
            ("chain.pem", chain),
            ("ca.pem", pem(ca)),
            ("host_id", format!("{host}\n")),
            (
                "collectors",
                new.collectors.iter().map(|one| format!("{one}\n")).collect(),
            ),
            ("generation", format!("{}\n", new.generation)),
            ("complete", String::new()),
        ];
        for (name, content) in parts {
            files::write_synced(&beside.join(name), content.as_bytes(), 0o600)?;
        }
        files::sync_dir(&beside)?;
        let old = state_dir.join("identity.old");
        let _ = fs::remove_dir_all(&old);
        if dir.exists() {
            fs::rename(&dir, &old).map_err(|error| FileError::new("rename", &dir, error))?;
        }
        fs::rename(&beside, &dir).map_err(|error| FileError::new("rename", &beside, error))?;
        files::sync_dir(state_dir)?;
        let _ = fs::remove_dir_all(&old);
        Self::load(state_dir)
    }

    /// When to ask for the next certificate: at half-life, moved by up to 10 % of it either way so that a
    /// fleet enrolled together does not renew together. `chance` is from 0 to 1.
    #[must_use]
    pub fn renewal_due(&self, chance: f64) -> Timestamp {
        let life = self.not_after.since(self.not_before);
        self.not_before.plus(life.mul_f64(0.45 + 0.1 * chance.clamp(0.0, 1.0)))
    }
}

fn damaged(path: &Path, problem: impl Into<String>) -> IdentityError {
    IdentityError::Damaged {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|error| FileError::new("read", path, error))
}

fn text(path: &Path) -> Result<String, IdentityError> {
    String::from_utf8(read(path)?).map_err(|_| damaged(path, "it is not text"))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(damaged(path, "it holds no certificate")),
    }
}

/// The host that a certificate names, and its validity.
fn subject(der: &[u8], path: &Path) -> Result<(HostId, Timestamp, Timestamp), IdentityError> {
    let (_, certificate) = parse_x509_certificate(der).map_err(|_| damaged(path, "its certificate is malformed"))?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let host = names
        .and_then(|names| {
            names.value.general_names.iter().find_map(|name| match name {
                GeneralName::URI(uri) => host_of_uri(uri),
                _ => None,
            })
        })
        .ok_or_else(|| damaged(path, "its certificate names no host"))?;
    let validity = certificate.validity();
    let instant = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1_000));
    Ok((
        host,
        instant(validity.not_before.timestamp()),
        instant(validity.not_after.timestamp()),
    ))
}

fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in base64.as_bytes().chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Site;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_stored_identity_reads_back_and_nobody_else_may_read_the_key() {
        let state = tempfile::tempdir().unwrap();
        let site = Site::new();
        assert!(matches!(Identity::load(state.path()), Err(IdentityError::Absent(_))));
        let stored = Identity::store(state.path(), &site.identity(1)).unwrap();
        let loaded = Identity::load(state.path()).unwrap();
        assert_eq!(loaded.host, stored.host);
        assert_eq!(loaded.host, site.host);
        assert_eq!(loaded.collectors, ["127.0.0.1:7443"]);
        let mode = |name: &str| fs::metadata(state.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("identity/key.pem"), 0o600);
        assert_eq!(mode("identity"), 0o700);
    }

    #[test]
    fn a_crash_between_the_renames_is_mended() {
        let state = tempfile::tempdir().unwrap();
        let site = Site::new();
        Identity::store(state.path(), &site.identity(1)).unwrap();
        Identity::store(state.path(), &site.identity(2)).unwrap();
        fs::rename(state.path().join("identity"), state.path().join("identity.new")).unwrap();
        assert_eq!(Identity::load(state.path()).unwrap().generation, 2);
    }

    #[test]
    fn an_incomplete_replacement_is_not_taken() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join("identity.new")).unwrap();
        assert!(!is_enrolled(state.path()));
    }

    #[test]
    fn renewal_is_due_around_half_life() {
        let state = tempfile::tempdir().unwrap();
        let identity = Identity::store(state.path(), &Site::new().identity(1)).unwrap();
        let life = identity.not_after.since(identity.not_before);
        let (early, late) = (identity.renewal_due(0.0), identity.renewal_due(1.0));
        let share = |at: Timestamp| at.since(identity.not_before).as_secs_f64() / life.as_secs_f64();
        assert!((share(early) - 0.45).abs() < 1e-9);
        assert!((share(late) - 0.55).abs() < 1e-9);
    }
}
