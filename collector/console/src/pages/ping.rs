//! `/ping/<key>/<slug>`: runs told over HTTP, as clients of healthchecks.io do it. The key is the permission.
//!
//! `GET`, `HEAD` and `POST` are the same; a body is the end of the log. Behind the address `/start`, `/fail`, `/log` or an
//! exit code from 0 to 255; `?rid=` names the run.
//!
//! A body may be as long as it likes: a run must not count as missed because its log was long. Its end is what is kept, and
//! clients that ask (`Ping-Body-Limit`) learn how much of it.

use crate::{
    backend::{Failure, Ping, PingKind},
    guard::{Answer, Visit},
};
use axum::{
    body::{Body, Bytes},
    extract::Path,
    response::IntoResponse as _,
};
use futures_util::StreamExt as _;
use tocsin_vocabulary::Code;

/// Longest number of a client's run.
const RID_CHARS_MAX: usize = 64;
/// Of a body so many characters are kept, from its end.
const BODY_KEPT_CHARS: usize = 4_096;
/// And so many bytes until they are read as characters.
const BODY_KEPT_BYTES: usize = 4 * BODY_KEPT_CHARS;
/// Of a body so many bytes are read; whoever sends more is answered before the end.
const BODY_READ_BYTES_MAX: usize = 64 * 1024 * 1024;
/// By which clients learn how much of a body is kept.
const LIMIT: &str = "ping-body-limit";

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
pub(crate) async fn by_key(visit: Visit, Path(key): Path<String>, body: Body) -> Answer {
    take(&visit, key, String::new(), PingKind::Success, body).await
}

/// `/ping/{key}/{slug}`; also `/ping/{key}/start` and its like.
pub(crate) async fn by_slug(visit: Visit, Path((key, slug)): Path<(String, String)>, body: Body) -> Answer {
    match kind(&slug) {
        Some(kind) => take(&visit, key, String::new(), kind, body).await,
        None => take(&visit, key, slug, PingKind::Success, body).await,
    }
}

/// `/ping/{key}/{slug}/{signal}`.
pub(crate) async fn signal(
    visit: Visit,
    Path((key, slug, signal)): Path<(String, String, String)>,
    body: Body,
) -> Answer {
    let kind = kind(&signal).ok_or_else(unknown)?;
    take(&visit, key, slug, kind, body).await
}

async fn take(visit: &Visit, key: String, slug: String, kind: PingKind, body: Body) -> Answer {
    let rid = visit.parameter("rid").unwrap_or_default();
    let ping = Ping {
        key,
        slug,
        kind,
        rid: rid.chars().take(RID_CHARS_MAX).collect(),
        body: String::from_utf8_lossy(&end_of(body).await).into_owned(),
    };
    visit.console.backend.ping(&ping).await?;
    Ok(([(LIMIT, BODY_KEPT_CHARS.to_string())], "OK").into_response())
}

/// The end of a body. One that breaks off has told what it has told.
async fn end_of(body: Body) -> Vec<u8> {
    let (mut kept, mut read) = (Vec::new(), 0);
    let mut pieces = body.into_data_stream();
    while let Some(Ok(piece)) = pieces.next().await
        && read < BODY_READ_BYTES_MAX
    {
        read += piece.len();
        keep(&mut kept, &piece);
    }
    let gone = kept.len().saturating_sub(BODY_KEPT_BYTES);
    kept.split_off(gone)
}

/// Adds a piece; twice as much is held as is kept, so that little is moved.
fn keep(kept: &mut Vec<u8>, piece: &Bytes) {
    kept.extend_from_slice(&piece[piece.len().saturating_sub(BODY_KEPT_BYTES)..]);
    if kept.len() > 2 * BODY_KEPT_BYTES {
        kept.drain(..kept.len() - BODY_KEPT_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_a_long_body_the_end_is_kept() {
        for length in [0, 10, BODY_KEPT_BYTES, BODY_KEPT_BYTES + 1, 1_000_000] {
            let text: Vec<u8> = (0..length).map(|at| b'a' + u8::try_from(at % 26).unwrap()).collect();
            let pieces: Vec<_> = text
                .chunks(7_001)
                .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
                .collect();
            let kept = end_of(Body::from_stream(futures_util::stream::iter(pieces))).await;
            assert!(kept == text[length.saturating_sub(BODY_KEPT_BYTES)..], "{length}");
        }
    }

    #[test]
    fn signals_are_those_of_healthchecks() {
        assert_eq!(kind("start"), Some(PingKind::Start));
        assert_eq!(kind("0"), Some(PingKind::Exit(0)));
        assert_eq!(kind("255"), Some(PingKind::Exit(255)));
        assert_eq!(kind("256"), None);
        assert_eq!(kind("nightly"), None);
    }
}
