//! One remote-write request to one receiver, and what its answer means.
//!
//! 2xx: accepted. 429, 408, 5xx and no answer at all: sent again later, not before `Retry-After`. 401 and 403 speak of the
//! secret and not of the samples: sent again too, with the secret read anew, so that a token which ran out costs nothing.
//! Any other answer refuses this request for good. Redirects are not followed and proxies of the environment not used.

use super::{ExportError, config::RemoteWriteConfig};
use reqwest::{Certificate, Client, RequestBuilder, StatusCode, Url, header, redirect::Policy};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// Most of a refusal that is logged, in characters.
const REASON_CHARS_MAX: usize = 300;
/// Most of an answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4_096;
/// Largest file of a secret or of certificates, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was taken.
    Accepted,
    /// It may be taken later.
    Later {
        /// Why not now.
        reason: String,
        /// Not before this long.
        after: Option<Duration>,
    },
    /// It never will be.
    Refused(String),
}

/// How we say who we are.
#[derive(Debug, Clone)]
enum Secret {
    None,
    Bearer(PathBuf),
    Basic(String, PathBuf),
}

/// Sends to one receiver.
#[derive(Debug)]
pub(crate) struct Sender {
    client: Client,
    url: Url,
    secret: Secret,
}

impl Sender {
    /// From a configuration without mistakes; its files must be readable now.
    pub(crate) fn new(config: &RemoteWriteConfig) -> Result<Self, ExportError> {
        let failed = |reason: String| ExportError::Setup {
            name: config.name.clone(),
            reason,
        };
        // Without a process-wide provider the client would panic; the first one installed stays.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let url: Url = config
            .url
            .parse()
            .map_err(|error| failed(format!("`url` is not an address: {error}")))?;
        let mut client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("tocsin/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &config.ca_file {
            let pem = read(path).map_err(|error| failed(format!("cannot read {}: {error}", path.display())))?;
            let roots = Certificate::from_pem_bundle(&pem).map_err(|error| {
                failed(format!(
                    "cannot use the certificates in {}: {}",
                    path.display(),
                    chain(&error)
                ))
            })?;
            client = client.tls_certs_only(roots);
        } else if url.scheme() == "http" {
            // Needs no roots, and must start on machines that have none.
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|error| {
            failed(format!(
                "cannot set up TLS: {}; name a `ca_file` if this machine has no authorities",
                chain(&error)
            ))
        })?;
        let secret = match (&config.bearer_token_file, &config.username, &config.password_file) {
            (Some(path), ..) => Secret::Bearer(path.clone()),
            (None, Some(name), Some(path)) => Secret::Basic(name.clone(), path.clone()),
            _ => Secret::None,
        };
        let sender = Self { client, url, secret };
        let request = sender.client.post(sender.url.clone());
        sender.sign(request).map(drop).map_err(failed)?;
        Ok(sender)
    }

    /// Sends a packed body.
    pub(crate) async fn send(&self, body: Vec<u8>) -> Verdict {
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .header(header::CONTENT_ENCODING, "snappy")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0");
        let request = match self.sign(request) {
            Ok(request) => request,
            Err(reason) => return Verdict::Later { reason, after: None },
        };
        let answer = match request.body(body).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let what = if error.is_timeout() {
                    "no answer in time from"
                } else {
                    "cannot reach"
                };
                let reason = format!("{what} {}: {}", self.peer(), chain(&error.without_url()));
                return Verdict::Later { reason, after: None };
            }
        };
        let status = answer.status();
        let after = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
        let words = if status.is_success() {
            String::new()
        } else {
            words(answer).await
        };
        judge(status, after, &words)
    }

    /// The secret is read anew each time, so that one that was replaced holds at once.
    fn sign(&self, request: RequestBuilder) -> Result<RequestBuilder, String> {
        let read = |path: &Path| -> Result<String, String> {
            let bytes = read(path).map_err(|error| format!("cannot read the secret in {}: {error}", path.display()))?;
            let text = String::from_utf8(bytes).unwrap_or_default();
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() || text.chars().any(char::is_control) {
                return Err(format!("the secret in {} must be one line of text", path.display()));
            }
            Ok(text.to_owned())
        };
        Ok(match &self.secret {
            Secret::None => request,
            Secret::Bearer(path) => request.bearer_auth(read(path)?),
            Secret::Basic(name, path) => request.basic_auth(name, Some(read(path)?)),
        })
    }

    /// Host and port of the receiver.
    fn peer(&self) -> String {
        let port = self.url.port_or_known_default().unwrap_or_default();
        format!("{}:{port}", self.url.host_str().unwrap_or_default())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The beginning of what a receiver says, on one line.
async fn words(mut answer: reqwest::Response) -> String {
    let mut said = Vec::new();
    while said.len() < ANSWER_BYTES_MAX {
        match answer.chunk().await {
            Ok(Some(chunk)) => said.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    let text = String::from_utf8_lossy(&said);
    let harmless = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().map(harmless).take(REASON_CHARS_MAX).collect()
}

fn judge(status: StatusCode, after: Option<Duration>, words: &str) -> Verdict {
    if status.is_success() {
        return Verdict::Accepted;
    }
    let said = if words.is_empty() {
        String::new()
    } else {
        format!(": {words}")
    };
    let reason = format!("the receiver answered {status}{said}");
    let later = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
    ];
    if status.is_server_error() || later.contains(&status) {
        Verdict::Later { reason, after }
    } else {
        Verdict::Refused(reason)
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_the_protocol_says() {
        let of = |status: u16| {
            judge(
                StatusCode::from_u16(status).unwrap(),
                Some(Duration::from_secs(7)),
                "out of order",
            )
        };
        assert_eq!(of(204), Verdict::Accepted);
        for status in [408, 429, 500, 503, 401, 403] {
            assert!(
                matches!(of(status), Verdict::Later { after: Some(after), .. } if after.as_secs() == 7),
                "{status}"
            );
        }
        for status in [302, 400, 404, 413, 422] {
            let Verdict::Refused(reason) = of(status) else {
                panic!("{status}")
            };
            assert!(reason.contains("out of order"), "{reason}");
        }
    }
}
