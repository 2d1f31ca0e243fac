//! What is served: `POST /api/v1/read` and `GET /federate`.
//!
//! Who may ask is decided before: whoever mounts these routes puts the asker's [`Fleet`] among each request's extensions.
//! Without one nothing is answered.

use crate::{
    export::Clock,
    federate::Federation,
    fleet::Fleet,
    matchers::Matcher,
    read::{self, ReadError},
    selector,
    wire::{ReadRequest, WireError, pack, unpack},
};
use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::{convert::Infallible, sync::Arc};
use tocsin_metrics::Store;
use tocsin_vocabulary::Code;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};

/// Largest body of a remote read as it travels, in bytes, and unpacked.
const BODY_BYTES_MAX: usize = 64 * 1024;
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Answers that are made at once: each may take 100 MB. Who comes then waits.
const READS_AT_ONCE: usize = 2;
/// Most selectors of one federation.
const SELECTORS_MAX: usize = 64;
/// Pieces of text that wait for a slow scrape.
const PIECES_MAX: usize = 4;

/// What the routes need.
#[derive(Clone)]
pub struct Exchange {
    store: Arc<Store>,
    clock: Clock,
    turn: Arc<Semaphore>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

impl Exchange {
    /// Answers from this store.
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self {
            store,
            clock,
            turn: Arc::new(Semaphore::new(READS_AT_ONCE)),
        }
    }
}

/// The routes; see the module's head for what must stand before them.
pub fn router(exchange: Exchange) -> Router {
    Router::new()
        .route("/api/v1/read", post(remote_read))
        .route("/federate", get(federate))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(exchange)
}

/// A refusal as a problem document (RFC 9457), as the rest of the API answers them.
struct Problem(Code, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(code, detail) = self;
        let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "code": code.key(),
            "detail": detail,
        });
        let kind = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, kind)], problem.to_string()).into_response()
    }
}

impl From<WireError> for Problem {
    fn from(error: WireError) -> Self {
        let code = match error {
            WireError::TooLong { .. } => Code::ResourceExhausted,
            WireError::Snappy(_) | WireError::Protobuf(_) => Code::InvalidInput,
        };
        Self(code, error.to_string())
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let code = match &error {
            ReadError::ResponseType | ReadError::Queries(_) | ReadError::Range | ReadError::Matcher(_) => {
                Code::InvalidInput
            }
            ReadError::Series | ReadError::Samples => Code::ResourceExhausted,
            ReadError::Store(error) => error.code(),
        };
        Self(code, error.to_string())
    }
}

/// Whose hosts may be shown.
fn visible(fleet: Option<Extension<Arc<Fleet>>>) -> Result<Arc<Fleet>, Problem> {
    let Some(Extension(fleet)) = fleet else {
        return Err(Problem(Code::Internal, "a route stands outside the gate".to_owned()));
    };
    Ok(fleet)
}

fn ended<E>(_: E) -> Problem {
    Problem(
        Code::Unavailable,
        "the answer could not be made; see the collector's log".to_owned(),
    )
}

async fn remote_read(
    State(exchange): State<Exchange>,
    fleet: Option<Extension<Arc<Fleet>>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let fleet = visible(fleet)?;
    let request: ReadRequest = unpack(&body, MESSAGE_BYTES_MAX)?;
    let turn = exchange.turn.clone().acquire_owned().await.map_err(ended)?;
    let answer = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let response = read::read(&exchange.store, &fleet, &request)?;
        Ok::<_, Problem>(pack(&response)?)
    });
    let body = answer.await.map_err(ended)??;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf")),
        (header::CONTENT_ENCODING, HeaderValue::from_static("snappy")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, body).into_response())
}

/// The selectors of a query string.
fn selectors(query: &str) -> Result<Vec<Vec<Matcher>>, Problem> {
    let wrong = |reason: String| Problem(Code::InvalidInput, reason);
    let uri = format!("/?{query}")
        .parse()
        .map_err(|_| wrong("the query string can't be read".to_owned()))?;
    let parameters = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .map_err(|error| wrong(error.to_string()))?
        .0;
    if parameters.is_empty() || parameters.len() > SELECTORS_MAX {
        return Err(wrong(format!(
            "give 1 to {SELECTORS_MAX} selectors as match[], such as match[]={{__name__=~\"system_.%2B\"}}"
        )));
    }
    let one = |(name, text): (String, String)| {
        if name != "match[]" {
            let name: String = name.chars().take(64).collect();
            return Err(wrong(format!("unknown parameter `{name}`; known: match[]")));
        }
        selector::parse(&text).map_err(|error| wrong(error.to_string()))
    };
    parameters.into_iter().map(one).collect()
}

async fn federate(
    State(exchange): State<Exchange>,
    fleet: Option<Extension<Arc<Fleet>>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let fleet = visible(fleet)?;
    let selectors = selectors(&query.unwrap_or_default())?;
    let turn = exchange.turn.clone().acquire_owned().await.map_err(ended)?;
    let (sender, receiver) = mpsc::channel::<String>(PIECES_MAX);
    let (gathered, outcome) = tokio::sync::oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let now = (exchange.clock)();
        match Federation::gather(&exchange.store, &fleet, &selectors, now) {
            Ok(federation) => {
                // Making the text waits for the reader; others need not wait for that.
                drop(turn);
                if gathered.send(Ok(())).is_ok() {
                    federation.write(|piece| sender.blocking_send(piece).is_ok());
                }
            }
            // Who asked may have gone.
            Err(error) => drop(gathered.send(Err(error))),
        }
    });
    outcome
        .await
        .map_err(ended)?
        .map_err(|error| Problem(Code::ResourceExhausted, error.to_string()))?;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let pieces = ReceiverStream::new(receiver).map(Ok::<_, Infallible>);
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(pieces)).into_response())
}
