//! A page: fetched by one GET, redirects followed as the probe says, its status and text compared.

use super::{
    HttpQuestion, REDIRECTS, STATUS, Trouble, Url, Values,
    asking::connect,
    certificate::{self, SystemRoots},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1,
    header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// Of a page no more is read.
const PAGE_BYTES_MAX: usize = 256 * 1024;

/// What a server gave.
struct Page {
    status: u16,
    location: Option<String>,
    text: Vec<u8>,
}

/// Fetches and compares.
pub(super) async fn fetch(question: &HttpQuestion, system: &SystemRoots, values: &mut Values) -> Result<(), Trouble> {
    let (mut url, mut followed) = (question.url.clone(), 0_u16);
    let page = loop {
        let page = get(question, &url, system, values).await?;
        let is_redirect = matches!(page.status, 301 | 302 | 303 | 307 | 308);
        let Some(location) = page.location.as_ref().filter(|_| is_redirect && question.redirects > 0) else {
            break page;
        };
        if followed == question.redirects {
            values.push((STATUS, f64::from(page.status)));
            values.push((REDIRECTS, f64::from(followed)));
            return Err(Trouble::Failed(format!("more than {followed} redirects")));
        }
        url = url
            .join(location)
            .map_err(|why| Trouble::Failed(format!("{url} leads to an address that is none: {why}")))?;
        followed += 1;
    };
    values.push((STATUS, f64::from(page.status)));
    values.push((REDIRECTS, f64::from(followed)));
    if !question.status.iter().any(|pattern| pattern.fits(page.status)) {
        return Err(Trouble::Failed(format!("status {} from {url}", page.status)));
    }
    match &question.text {
        Some(text) if !contains(&page.text, text.as_bytes()) => {
            Err(Trouble::Failed(format!("{url} does not hold the text `{text}`")))
        }
        _ => Ok(()),
    }
}

/// One request. Of several secure ones the values of the last certificate count.
async fn get(question: &HttpQuestion, url: &Url, system: &SystemRoots, values: &mut Values) -> Result<Page, Trouble> {
    let stream = connect(&url.host, url.port).await?;
    if !url.secure {
        return exchange(stream, url).await;
    }
    let roots = certificate::roots(question.ca.as_deref(), system).await;
    let roots = match roots {
        Err(_) if !question.verify => std::sync::Arc::new(rustls::RootCertStore::empty()),
        roots => roots?,
    };
    let (stream, shown) = certificate::shake_hands(stream, &url.host, roots).await?;
    values.retain(|(name, _)| !name.starts_with("tocsin.probe.certificate."));
    shown.tell(values);
    if question.verify {
        shown.verdict(&url.host)?;
    }
    exchange(stream, url).await
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, url: &Url) -> Result<Page, Trouble> {
    let failed = |error: hyper::Error| Trouble::Failed(format!("no answer that is HTTP from {url}: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let request = Request::get(url.path.as_str())
        .header(HOST, url.authority())
        .header(USER_AGENT, concat!("tocsin-agent/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Trouble::Unable(format!("cannot ask for {url}: {error}")))?;
    let mut answer = pin!(async { read(sender.send_request(request).await?).await });
    let mut connection = pin!(connection);
    let page = tokio::select! {
        page = &mut answer => page,
        // What came before the end can still be read; and if nothing did, that says why.
        _ = &mut connection => answer.await,
    };
    page.map_err(failed)
}

async fn read(response: Response<Incoming>) -> Result<Page, hyper::Error> {
    let (head, mut body) = response.into_parts();
    let mut text = Vec::new();
    while text.len() < PAGE_BYTES_MAX {
        let Some(frame) = body.frame().await else { break };
        if let Some(bytes) = frame?.data_ref() {
            text.extend_from_slice(&bytes[..bytes.len().min(PAGE_BYTES_MAX - text.len())]);
        }
    }
    let location = head.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    Ok(Page {
        status: head.status.as_u16(),
        location: location.map(str::to_owned),
        text,
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}
