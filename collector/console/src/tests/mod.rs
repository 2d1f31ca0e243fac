//! Tests of the whole router over a fake backend.

#[path = "../../examples/preview/fake/mod.rs"]
#[allow(dead_code, unreachable_pub, missing_docs)] // the preview uses the rest
mod fake;

mod accounts;
mod api;
mod documents;
mod doors;
mod duty;
mod evidence;
mod live;
mod matrix;
mod news;
mod pages;
mod papers;
mod planned;
mod reach;
mod rules;
mod writes;

use crate::{ConsoleOptions, router};
use axum::{Router, body::Body};
use fake::Fake;
use http::{HeaderMap, Request, StatusCode, header};
use std::sync::Arc;
use tocsin_vocabulary::Timestamp;
use tower::ServiceExt as _;

/// 2026-11-22T03:04:05Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_316_645_000);
/// A hostname as a hostile agent would send it.
const HOSTILE: &str = "<script>alert('host')</script>";

struct Room {
    fake: Arc<Fake>,
    router: Router,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    fn place(&self) -> &str {
        self.headers
            .get(header::LOCATION)
            .map(|place| place.to_str().unwrap())
            .unwrap_or_default()
    }
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }
}

impl Room {
    fn new() -> Self {
        Self::of(Fake::new(NOW, HOSTILE))
    }
    fn of(fake: Fake) -> Self {
        let fake = Arc::new(fake);
        let options = ConsoleOptions {
            zone: jiff::tz::TimeZone::UTC,
            ..ConsoleOptions::default()
        };
        Self {
            router: router(fake.clone(), options),
            fake,
        }
    }
    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        // A workbook is no text.
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }
    /// GET as a signed-in person; an empty login is a stranger.
    async fn get(&self, login: &str, path: &str, language: &str) -> Reply {
        self.send(
            request("GET", path, &self.cookies(login, language))
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }
    async fn post(&self, login: &str, path: &str, form: &str) -> Reply {
        let request = request("POST", path, &self.cookies(login, "en"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }
    /// A request with an API token; an empty login has none.
    async fn api(&self, login: &str, method: &str, path: &str, body: &str) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "collector:8443");
        if !login.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.fake.token_of(login)));
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }
    fn cookies(&self, login: &str, language: &str) -> String {
        let session = if login.is_empty() {
            String::new()
        } else {
            self.fake.signed_in(login)
        };
        format!("__Host-tocsin={session}; tocsin-language={language}")
    }
}

fn request(method: &str, path: &str, cookies: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "collector:8443")
        .header(header::COOKIE, cookies)
}

/// The id of the n-th fake host.
fn host_id(n: u8) -> String {
    tocsin_vocabulary::HostId::from_bytes([n; 16]).to_string()
}
