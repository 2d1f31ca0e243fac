//! Problem documents (RFC 9457).

use crate::backend::Failure;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tocsin_vocabulary::Code;

/// What went wrong, for programs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: `code` tells which.
    r#type: &'static str,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// One of a closed list: `not_found`, `conflict`, …
    code: &'static str,
    /// What and what to do; English.
    detail: String,
}

/// A failure as a problem document.
#[must_use]
pub fn response(failure: &Failure) -> Response {
    let status = StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // What went wrong inside is for the log.
    let detail = if failure.code == Code::Internal {
        "see the collector's log".to_owned()
    } else {
        failure.reason.clone()
    };
    let problem = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default().to_owned(),
        status: status.as_u16(),
        code: failure.code.key(),
        detail,
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Refusals of the framework itself (wrong method, body too large) in the same form.
pub(crate) fn translate(answer: Response) -> Response {
    let status = answer.status();
    let json = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
    if json || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    let code = match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        status if status.is_server_error() => Code::Internal,
        _ => Code::InvalidInput,
    };
    let reason = status.canonical_reason().unwrap_or("refused").to_lowercase();
    let mut translated = response(&Failure::new(code, reason));
    *translated.status_mut() = status;
    translated
}
