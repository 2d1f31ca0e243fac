//! `/ping/<key>/<slug>`: runs told over HTTP, as clients of healthchecks.io do it. The key is the permission.
//!
//! `GET`, `HEAD` and `POST` are the same; a body is the end of the log. Behind the address `/start`, `/fail`, `/log` or an
//! exit code from 0 to 255; `?rid=` names the run.

use crate::{
    backend::{Failure, Ping, PingKind},
    guard::{Answer, Visit},
};
use axum::{body::Bytes, extract::Path, response::IntoResponse as _};
use tocsin_vocabulary::Code;

/// Longest number of a client's run.
const RID_CHARS_MAX: usize = 64;

fn kind(word: &str) -> Option<PingKind> {
    match word {
        "start" => Some(PingKind::Start),
        "fail" => Some(PingKind::Fail),
        "log" => Some(PingKind::Log),
        code => code.parse().ok().map(PingKind::Exit),
    }
}

fn unknown() -> Failure {
    Failure::new(Code::NotFound, "not found")
}

/// `/ping/{key}`.
pub(crate) async fn by_key(visit: Visit, Path(key): Path<String>, body: Bytes) -> Answer {
    take(&visit, key, String::new(), PingKind::Success, &body).await
}

/// `/ping/{key}/{slug}`; also `/ping/{key}/start` and its like.
pub(crate) async fn by_slug(visit: Visit, Path((key, slug)): Path<(String, String)>, body: Bytes) -> Answer {
    match kind(&slug) {
        Some(kind) => take(&visit, key, String::new(), kind, &body).await,
        None => take(&visit, key, slug, PingKind::Success, &body).await,
    }
}

/// `/ping/{key}/{slug}/{signal}`.
pub(crate) async fn signal(
    visit: Visit,
    Path((key, slug, signal)): Path<(String, String, String)>,
    body: Bytes,
) -> Answer {
    let kind = kind(&signal).ok_or_else(unknown)?;
    take(&visit, key, slug, kind, &body).await
}

async fn take(visit: &Visit, key: String, slug: String, kind: PingKind, body: &[u8]) -> Answer {
    let rid = visit.parameter("rid").unwrap_or_default();
    let ping = Ping {
        key,
        slug,
        kind,
        rid: rid.chars().take(RID_CHARS_MAX).collect(),
        body: String::from_utf8_lossy(body).into_owned(),
    };
    visit.console.backend.ping(&ping).await?;
    Ok("OK".into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_those_of_healthchecks() {
        assert_eq!(kind("start"), Some(PingKind::Start));
        assert_eq!(kind("0"), Some(PingKind::Exit(0)));
        assert_eq!(kind("255"), Some(PingKind::Exit(255)));
        assert_eq!(kind("256"), None);
        assert_eq!(kind("nightly"), None);
    }
}
