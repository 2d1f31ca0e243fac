//! Enrolment of a whole fleet by the real protocol, kept in a folder so that later runs need none.

use super::station::Station;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    sync::Arc,
};
use tocsin_agent::{identity::KeyRequest, tls};
use tocsin_proto::{
    install::InstallString,
    v1::{EnrolRequest, HostFacts, enrolment_client::EnrolmentClient},
};
use tocsin_vocabulary::HostId;
use tokio::{sync::Semaphore, task::JoinSet};

/// Enrolments under way at a time.
const TOGETHER: usize = 64;

/// What a host got by enrolling.
#[derive(Debug)]
pub struct Credentials {
    /// As the certificate says.
    pub host: HostId,
    /// Its own key.
    pub key: PrivateKeyDer<'static>,
    /// Its certificate first, the authority last.
    pub chain: Vec<CertificateDer<'static>>,
}

/// What host `number` is called.
#[must_use]
pub fn name(number: u64) -> String {
    format!("fleet-{number:05}")
}

/// Who host `number` says it is.
#[must_use]
pub fn facts(number: u64) -> HostFacts {
    HostFacts {
        hostname: name(number),
        os: "simulated".to_owned(),
        architecture: "none".to_owned(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..HostFacts::default()
    }
}

/// Credentials of `count` hosts: those in `file`, and for as many as are missing new ones, which are added to it.
/// Answers how many had to be enrolled.
///
/// # Panics
/// When one can't be enrolled or the file can't be read or written.
pub async fn credentials(file: &Path, station: &Station, count: usize) -> (Vec<Arc<Credentials>>, usize) {
    let mut known = read(file);
    let missing = count.saturating_sub(known.len());
    let mut out = File::options()
        .create(true)
        .append(true)
        .open(file)
        .expect("the fleet's file can be written");
    let turns = Arc::new(Semaphore::new(TOGETHER));
    let mut tasks = JoinSet::new();
    for number in known.len()..count {
        let (turns, socket) = (turns.clone(), station.socket());
        tasks.spawn(async move {
            let _turn = turns.acquire().await.expect("an open semaphore");
            enrol(&socket, number as u64).await
        });
    }
    while let Some(enrolled) = tasks.join_next().await {
        let credentials = enrolled.expect("a host enrols");
        writeln!(out, "{}", line(&credentials)).expect("the fleet's file can be written");
        known.push(Arc::new(credentials));
    }
    known.truncate(count);
    (known, missing)
}

async fn enrol(socket: &Path, number: u64) -> Credentials {
    let ask = json!({ "command": "create_token", "host_name": name(number), "expires": "1h" });
    let answer = super::station::ask(socket, &ask).await;
    let install: InstallString = answer["install"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("an install string");
    let request = KeyRequest::new().expect("a key");
    let config = tls::pinned(install.ca_pin).expect("a configuration");
    let channel = tls::connect(&install.addresses[0], config).await.expect("a connection");
    let asked = EnrolRequest {
        token: install.token,
        csr: request.csr.into(),
        facts: Some(facts(number)),
    };
    let answer = EnrolmentClient::new(channel).enrol(asked).await.expect("an enrolment");
    let answer = answer.into_inner();
    Credentials {
        host: answer.host_id.parse().expect("a host's id"),
        key: PrivateKeyDer::from_pem_slice(request.key_pem.as_bytes()).expect("a key"),
        chain: answer.chain.iter().map(|der| der.to_vec().into()).collect(),
    }
}

fn line(credentials: &Credentials) -> Value {
    let chain: Vec<String> = credentials.chain.iter().map(|der| STANDARD.encode(der)).collect();
    json!({
        "host": credentials.host.to_string(),
        "key": STANDARD.encode(credentials.key.secret_der()),
        "chain": chain,
    })
}

fn read(file: &Path) -> Vec<Arc<Credentials>> {
    let Ok(file) = File::open(file) else {
        return Vec::new();
    };
    let bytes = |value: &Value| STANDARD.decode(value.as_str()?).ok();
    let one = |text: &str| {
        let value: Value = serde_json::from_str(text).ok()?;
        let chain = value["chain"].as_array()?.iter().map(|der| Some(bytes(der)?.into()));
        Some(Arc::new(Credentials {
            host: value["host"].as_str()?.parse().ok()?,
            key: PrivatePkcs8KeyDer::from(bytes(&value["key"])?).into(),
            chain: chain.collect::<Option<_>>()?,
        }))
    };
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    lines.map(|text| one(&text).expect("a host's credentials")).collect()
}
