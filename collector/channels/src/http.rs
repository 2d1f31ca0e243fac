//! The HTTP client that all channels share: no redirects, no proxies of the environment, only addresses that the guard lets
//! through, a bound on time and on what is read of an answer.

use crate::{
    advice::{self, Advice},
    channel::{SendError, SendErrorKind, chain},
    guard::{Guard, Resolver},
    secret::{need_system_authorities, read_certificates},
};
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode, Url, header, redirect::Policy};
use std::{net::IpAddr, path::Path, time::Duration};

/// How long one try may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// What is read of an answer at most, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// One server, and the way to it.
pub(crate) struct Server {
    client: Client,
    /// Where to.
    pub(crate) url: Url,
    guard: Guard,
}

/// An answer that was read.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end, or as far as it is read.
    whole: bool,
}

impl Answered {
    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The error where a success lacks what this kind of server says: something else answered, or, when the answer was
    /// cut off, nobody knows.
    pub(crate) fn strange(&self, reason: impl Into<String>) -> SendError {
        let reason = reason.into();
        if self.whole {
            SendError::permanent(reason).meaning(Advice::Elsewhere)
        } else {
            SendError::unknown(format!("{reason}; the answer was cut off")).meaning(Advice::CutOff)
        }
    }
}

impl Server {
    /// A client for one address.
    pub(crate) fn new(url: &str, ca_file: Option<&Path>, guard: Guard, timeout: Duration) -> Result<Self, String> {
        // Without a process-wide provider the client would panic; the first one installed stays, ours or the program's.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let url: Url = url
            .parse()
            .map_err(|error| format!("`url` is not an address: {error}"))?;
        let mut client = Client::builder()
            .timeout(timeout)
            // Sooner, so that a server that was never reached is told from one that may have taken the message.
            .connect_timeout(timeout.mul_f32(0.8))
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Resolver(guard.clone()))
            .user_agent(concat!("tocsin/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = ca_file {
            let pem = read_certificates(path)?;
            let roots = Certificate::from_pem_bundle(&pem)
                .map_err(|error| format!("cannot use the certificates in {}: {}", path.display(), chain(&error)))?;
            client = client.tls_certs_only(roots);
        } else if url.scheme() == "http" {
            // Needs no roots, and must start on machines that have none.
            client = client.tls_certs_only([]);
        } else {
            need_system_authorities()?;
        }
        let client = client
            .build()
            .map_err(|error| format!("cannot set up TLS: {}", chain(&error)))?;
        Ok(Self { client, url, guard })
    }

    /// The same server at another path.
    pub(crate) fn at(&self, url: &str) -> Result<Self, String> {
        Ok(Self {
            client: self.client.clone(),
            url: url
                .parse()
                .map_err(|error| format!("`url` is not an address: {error}"))?,
            guard: self.guard.clone(),
        })
    }

    /// A POST to the address with these parameters added.
    pub(crate) fn post(&self, parameters: &[(&str, &str)]) -> RequestBuilder {
        self.client.post(with(&self.url, parameters))
    }

    /// A GET likewise.
    pub(crate) fn get(&self, parameters: &[(&str, &str)]) -> RequestBuilder {
        self.client.get(with(&self.url, parameters))
    }

    /// Host and port.
    pub(crate) fn peer(&self) -> String {
        peer(&self.url)
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Answered, SendError> {
        // A literal address is not resolved, so it is checked here.
        let host = self.url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if let Some(address) = literal.ok().filter(|address| !self.guard.allows(*address)) {
            let reason = format!("this channel may not reach {address}: see `allow` in its configuration");
            return Err(SendError::permanent(reason).meaning(Advice::Forbidden));
        }
        let answer = request.send().await.map_err(|error| failed(error, &self.url))?;
        let status = answer.status();
        let retry_after = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let (body, whole) = read(answer).await;
        Ok(Answered {
            status,
            retry_after,
            body,
            whole,
        })
    }
}

fn with(url: &Url, parameters: &[(&str, &str)]) -> Url {
    let mut url = url.clone();
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    url
}

/// The answer's beginning, and whether it is all that is wanted of it: a lost connection cuts it off.
async fn read(mut answer: Response) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return (body, true),
            Err(_) => return (body, false),
        }
        if body.len() >= ANSWER_BYTES_MAX {
            body.truncate(ANSWER_BYTES_MAX);
            return (body, true);
        }
    }
}

/// What an HTTP status means: 2xx is success; 408, 429 and 5xx are tried again; any other is final. After 500, 502 and 504
/// nobody knows whether the message had been taken before something broke.
pub(crate) fn judge(who: &str, answered: &Answered) -> Result<String, SendError> {
    let status = answered.status;
    if status.is_success() {
        return Ok(status.to_string());
    }
    let again =
        status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    let kind = match status.as_u16() {
        500 | 502 | 504 => SendErrorKind::Unknown,
        _ if again => SendErrorKind::Temporary,
        _ => SendErrorKind::Permanent,
    };
    let remedy = if status.is_redirection() {
        ": redirects are not followed, configure the final address"
    } else if again {
        ""
    } else {
        ": check the channel's address and secret"
    };
    Err(SendError {
        kind,
        reason: format!("{who} answered {status}{remedy}"),
        retry_after: answered.retry_after,
        advice: Advice::of_status(status.as_u16()),
    })
}

/// Host and port of an address.
pub(crate) fn peer(url: &Url) -> String {
    format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default()
    )
}

/// What a missing answer means. The address is named without its path, which may bear a token.
fn failed(error: reqwest::Error, url: &Url) -> SendError {
    let peer = peer(url);
    let kind = if error.is_builder() {
        SendErrorKind::Permanent
    } else if error.is_connect() {
        SendErrorKind::Temporary
    } else {
        SendErrorKind::Unknown
    };
    let what = match kind {
        _ if error.is_timeout() => "no answer in time from",
        SendErrorKind::Unknown => "no proper answer from",
        _ => "cannot reach",
    };
    let otherwise = match kind {
        _ if error.is_timeout() => Some(Advice::Silent),
        SendErrorKind::Unknown => Some(Advice::CutOff),
        _ => None,
    };
    let advice = advice::of_error(&error).or(otherwise);
    SendError::new(kind, format!("{what} {peer}: {}", chain(&error.without_url()))).meaning(advice)
}

/// What is wrong with an address to send to.
pub(crate) fn url_mistakes(url: &str, insecure: bool, mistakes: &mut Vec<String>) {
    let url: Url = match url.parse() {
        Ok(url) => url,
        Err(error) => return mistakes.push(format!("`url` is not an address: {error}")),
    };
    match url.scheme() {
        "https" => {}
        "http" if insecure || url.host_str().is_some_and(crate::guard::is_loopback) => {}
        "http" => mistakes.push("`url`: use https://, or set `insecure = true` to send readable pages".to_owned()),
        scheme => mistakes.push(format!("`url`: `{scheme}` cannot be posted to, use https://")),
    }
    if url.password().is_some() || !url.username().is_empty() {
        mistakes.push("`url`: leave name and password out, a secret stands in a file of its own".to_owned());
    }
}

/// The host of an address; empty when it is none.
pub(crate) fn host_of(url: &str) -> String {
    url.parse::<Url>()
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default()
}

/// A guard for an address.
pub(crate) fn guard_for(url: &str, allow: &[crate::guard::Network]) -> Guard {
    Guard::new(allow.to_vec(), &host_of(url))
}
