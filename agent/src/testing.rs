//! For tests of this crate: a site with its CA, a collector's certificate and a host's.

use crate::identity::NewIdentity;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tocsin_proto::identity::agent_uri;
use tocsin_vocabulary::{Hash, HostId, IdSource, Timestamp};

pub(crate) struct Site {
    pub(crate) ca_der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    pub(crate) host: HostId,
    /// Whether certificates that it issues are past their half-life at once, as for a clock that is ahead.
    pub(crate) issues_old: bool,
}

impl Site {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "test CA");
        let key = KeyPair::generate().unwrap();
        let ca_der = params.self_signed(&key).unwrap().der().to_vec();
        let host = HostId::next(&mut IdSource::new(5), Timestamp::from_millis(1_700_000_000_000));
        Self {
            ca_der,
            issuer: Issuer::new(params, key),
            host,
            issues_old: false,
        }
    }

    pub(crate) fn pin(&self) -> Hash {
        Hash::of(&self.ca_der)
    }

    /// What a collector would answer to a CSR.
    pub(crate) fn chain_for(&self, csr: &[u8]) -> Vec<Vec<u8>> {
        let request = rcgen::CertificateSigningRequestParams::from_der(&csr.to_vec().into()).unwrap();
        let mut params = if self.issues_old {
            self.ageing_params()
        } else {
            self.host_params()
        };
        params.distinguished_name = rcgen::DistinguishedName::new();
        let own = params
            .signed_by(&request.public_key, &self.issuer)
            .unwrap()
            .der()
            .to_vec();
        vec![own, self.ca_der.clone()]
    }

    fn host_params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(agent_uri(self.host).try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params
    }

    /// An identity whose certificate is past its half-life.
    pub(crate) fn ageing_identity(&self) -> NewIdentity {
        self.identity_of(&self.ageing_params(), 1)
    }

    fn ageing_params(&self) -> CertificateParams {
        let mut params = self.host_params();
        params.not_before = rcgen::date_time_ymd(1990, 1, 1);
        params.not_after = rcgen::date_time_ymd(2050, 1, 1);
        params
    }

    pub(crate) fn identity(&self, generation: u64) -> NewIdentity {
        self.identity_of(&self.host_params(), generation)
    }

    fn identity_of(&self, params: &CertificateParams, generation: u64) -> NewIdentity {
        let key = KeyPair::generate().unwrap();
        let own = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        NewIdentity {
            key_pem: key.serialize_pem(),
            chain: vec![own, self.ca_der.clone()],
            collectors: vec!["127.0.0.1:7443".to_owned()],
            generation,
        }
    }

    /// TLS of a collector of this site; `expired` gives it a certificate of the past.
    pub(crate) fn server(&self, expired: bool) -> Arc<ServerConfig> {
        self.server_of(expired, &self.ca_der)
    }

    /// TLS of a collector of this site that lets in only hosts of the site `hosts`.
    pub(crate) fn server_for(&self, hosts: &Self) -> Arc<ServerConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(hosts.ca_der.clone())).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .unwrap();
        self.server_with(false, &self.ca_der, verifier)
    }

    /// TLS of a server of this site that shows a CA which did not sign it.
    pub(crate) fn server_showing(&self, ca_der: &[u8]) -> Arc<ServerConfig> {
        self.server_of(false, ca_der)
    }

    fn server_of(&self, expired: bool, ca_der: &[u8]) -> Arc<ServerConfig> {
        self.server_with(expired, ca_der, rustls::server::WebPkiClientVerifier::no_client_auth())
    }

    fn server_with(
        &self,
        expired: bool,
        ca_der: &[u8],
        hosts: Arc<dyn rustls::server::danger::ClientCertVerifier>,
    ) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new(vec![crate::tls::SERVER_NAME.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if expired {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let own = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let chain = vec![own, CertificateDer::from(ca_der.to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(hosts)
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }
}
