//! The one gate before every handler: who is asking, in which language, and whether they may. Behind it, refusals
//! become pages or problem documents.

use crate::{
    api::problem,
    authority::{self, Action},
    backend::Failure,
    pages, session,
    shell::Shell,
    state::Console,
};
use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use tocsin_desk::{model::Person, record::Speaker};
use tocsin_vocabulary::{Code, CustomerId, Language, Timestamp};

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: sign-in, assets, the link of a page (which is its own key).
    Nobody,
    /// Somebody, whoever it is.
    Somebody,
    /// Somebody who may do this.
    To(Action),
}

/// For whom a route answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// People: pages and redirects.
    Page,
    /// Programs: JSON and problem documents.
    Api,
}

/// A route's line of the table, as the gate sees it.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) console: Console,
    pub(crate) need: Need,
    pub(crate) kind: Kind,
}

/// One request: who asks, in which language, for what.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) console: Console,
    pub(crate) language: Language,
    pub(crate) speaker: Option<Speaker>,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) now: Timestamp,
}

impl Visit {
    /// Who asks; the gate has made sure that there is one where the route needs one.
    pub(crate) fn speaker(&self) -> Result<&Speaker, Failure> {
        self.speaker
            .as_ref()
            .ok_or_else(|| Failure::new(Code::Unauthenticated, "sign in first"))
    }

    /// The person who asks.
    pub(crate) fn person(&self) -> Result<&Person, Failure> {
        self.speaker().map(|speaker| &speaker.person)
    }

    /// The only customer whose things may be shown; none: all.
    pub(crate) fn scope(&self) -> Result<Option<CustomerId>, Failure> {
        self.speaker().map(authority::scope)
    }

    /// Whether whoever asks may do this.
    pub(crate) fn may(&self, action: Action) -> bool {
        self.speaker
            .as_ref()
            .is_some_and(|speaker| authority::allows(speaker.role, action))
    }

    /// Refuses whoever may not do this.
    pub(crate) fn require(&self, action: Action) -> Result<(), Failure> {
        self.speaker()?;
        if self.may(action) {
            Ok(())
        } else {
            Err(Failure::new(Code::Forbidden, "your role does not allow this"))
        }
    }

    /// Another customer's thing is as if it did not exist.
    pub(crate) fn must_see(&self, customer: CustomerId) -> Result<(), Failure> {
        if authority::sees(self.speaker()?, customer) {
            Ok(())
        } else {
            Err(nothing())
        }
    }

    /// One parameter of the query string, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters()
            .into_iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// All parameters of the query string, decoded, in order.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        let uri = format!("/?{}", self.query).parse::<http::Uri>().unwrap_or_default();
        axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri)
            .map(|query| query.0)
            .unwrap_or_default()
    }
}

/// What is said of everything that does not exist, or not for this asker.
pub(crate) fn nothing() -> Failure {
    Failure::new(Code::NotFound, "there is no such thing, or it is not yours to see")
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let visit = parts.extensions.get::<Self>().cloned();
        visit.ok_or_else(|| Refusal(Failure::new(Code::Internal, "a route stands outside the gate")))
    }
}

/// A failure on its way out; the gate gives it the form that the asker reads.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Failure);

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

/// The gate itself.
pub(crate) async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let method = parts.method.clone();
    let (visit, checked) = visit(&gate, &parts).await;
    if let Err(failure) = checked {
        return refuse(&gate, &visit, &method, &failure);
    }
    // For routes of other parts, see [`crate::guarded`].
    if let Some(speaker) = visit.speaker.clone() {
        parts.extensions.insert(speaker);
    }
    parts.extensions.insert(visit.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        return refuse(&gate, &visit, &method, &failure);
    }
    if gate.kind == Kind::Api {
        problem::translate(response)
    } else {
        response
    }
}

/// The visit, and whether it may go on.
async fn visit(gate: &Gate, parts: &Parts) -> (Visit, Result<(), Failure>) {
    let mut visit = Visit {
        console: gate.console.clone(),
        language: language(&parts.headers),
        speaker: None,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        now: gate.console.backend.now(),
    };
    match speaker(gate, parts, visit.now).await {
        Ok(speaker) => visit.speaker = speaker,
        Err(failure) => return (visit, Err(failure)),
    }
    let checked = match gate.need {
        Need::Nobody => Ok(()),
        Need::Somebody => visit.speaker().map(|_| ()),
        Need::To(action) => visit.require(action),
    };
    (visit, checked)
}

/// Pages know people by their session; the API by a token, and for reading also by the session.
async fn speaker(gate: &Gate, parts: &Parts, now: Timestamp) -> Result<Option<Speaker>, Failure> {
    let backend = &gate.console.backend;
    if gate.kind == Kind::Api {
        if let Some(token) = session::bearer(&parts.headers) {
            return backend.api_token(&session::secret_hash(token), now).await;
        }
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            return Ok(None);
        }
    }
    let name = session::cookie_name(gate.console.options.secure_cookies);
    let Some(secret) = session::cookie(&parts.headers, name).filter(|secret| !secret.is_empty()) else {
        return Ok(None);
    };
    let hash = session::secret_hash(secret);
    if by_itself(gate.kind, parts) {
        backend.peek_session(&hash, now).await
    } else {
        backend.session(&hash, now).await
    }
}

/// Whether an open page asks by itself, through our script: a read that nobody's hand caused. It does not keep a
/// session from growing idle, and an idle session still answers it; whatever a hand does then asks to sign in again.
/// A link or a form cannot bear the header.
fn by_itself(kind: Kind, parts: &Parts) -> bool {
    kind == Kind::Page
        && matches!(parts.method, Method::GET | Method::HEAD)
        && (parts.uri.path() == "/events" || parts.headers.contains_key(session::LIVE_HEADER))
}

/// The person's choice, else what the browser prefers, else Chinese.
fn language(headers: &HeaderMap) -> Language {
    if let Some(chosen) = session::cookie(headers, session::LANGUAGE_COOKIE).and_then(Language::from_tag) {
        return chosen;
    }
    let accepted = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut best: Option<(f32, Language)> = None;
    for range in accepted.split(',').take(16) {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim();
        let weight = parts
            .find_map(|part| part.trim().strip_prefix("q=")?.parse().ok())
            .unwrap_or(1.0);
        if let Some(language) = Language::from_tag(tag)
            && weight > best.map_or(0.0, |(best, _)| best)
        {
            best = Some((weight, language));
        }
    }
    best.map_or(Language::Chinese, |(_, language)| language)
}

fn refuse(gate: &Gate, visit: &Visit, method: &Method, failure: &Failure) -> Response {
    if failure.code == Code::Internal {
        tracing::error!(path = visit.path, reason = failure.reason, "request failed");
    }
    if gate.kind == Kind::Api {
        return problem::response(failure);
    }
    if failure.code == Code::Unauthenticated && gate.need != Need::Nobody {
        return sign_in_first(visit, method);
    }
    pages::trouble(&Shell::new(visit, ""), failure)
}

/// Sends people to the sign-in page and back to where they wanted to go; a script is told plainly.
fn sign_in_first(visit: &Visit, method: &Method) -> Response {
    if visit.parameter("part").is_some() || visit.path == "/events" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let place = if method == Method::GET && visit.path != "/" {
        let whole = if visit.query.is_empty() {
            visit.path.clone()
        } else {
            format!("{}?{}", visit.path, visit.query)
        };
        format!("/sign-in?next={}", crate::markup::percent(&whole))
    } else {
        "/sign-in".to_owned()
    };
    see_other(&place)
}

/// `303 See Other`.
pub(crate) fn see_other(place: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let place = HeaderValue::from_str(place).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, place);
    response
}

/// A place of ours to go back to, or the board: never somebody else's site.
pub(crate) fn local_place(place: &str) -> &str {
    let ours = place.starts_with('/')
        && !place.starts_with("//")
        && !place.starts_with("/\\")
        && place.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if ours { place } else { "/" }
}

/// Handlers that cannot fail still answer a `Result`, for one shape.
pub(crate) type Answer = Result<Response, Refusal>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_of_ours_are_gone_back_to() {
        assert_eq!(local_place("/t/1042?x=1"), "/t/1042?x=1");
        for foreign in [
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "",
            "/a b",
            "/\r\nSet-Cookie:x",
        ] {
            assert_eq!(local_place(foreign), "/", "{foreign}");
        }
    }

    #[test]
    fn the_language_is_the_choice_then_the_browsers_then_chinese() {
        let ask = |cookie: Option<&'static str>, accept: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(cookie) = cookie {
                headers.insert(header::COOKIE, HeaderValue::from_static(cookie));
            }
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accept));
            }
            language(&headers)
        };
        assert_eq!(ask(None, None), Language::Chinese);
        assert_eq!(ask(None, Some("fr, en-GB;q=0.8, zh;q=0.7")), Language::English);
        assert_eq!(ask(None, Some("en;q=0.3, zh-TW")), Language::Chinese);
        assert_eq!(ask(Some("tocsin-language=en"), Some("zh-CN")), Language::English);
        assert_eq!(ask(None, Some("en;q=0")), Language::Chinese);
    }
}
