//! Sessions and secrets: 256 random bits in a cookie, their SHA-256 in the ledger.

use crate::state::Console;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// A session ends after twelve hours whatever happens; the ledger holds the same figure.
const SESSION_SECONDS: u32 = 12 * 3_600;
const LANGUAGE_SECONDS: u32 = 365 * 86_400;
/// Longest cookie or token that is hashed.
const SECRET_CHARS_MAX: usize = 512;
/// Remembers the chosen language.
pub(crate) const LANGUAGE_COOKIE: &str = "tocsin-language";

/// Borne by what the script of an open page fetches by itself.
pub(crate) const LIVE_HEADER: &str = "x-tocsin-live";

/// SHA-256 of a secret's text, hex: how sessions, API tokens and sign-in links are known to the ledger.
#[must_use]
pub fn secret_hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes())
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// A new secret: 256 random bits as 43 characters.
pub(crate) fn new_secret(console: &Console) -> String {
    let mut bytes = [0; 32];
    console.backend.random(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The session cookie's name. The prefix makes browsers refuse it from another host, path or over plain HTTP.
pub(crate) const fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-tocsin" } else { "tocsin" }
}

/// A cookie of the request.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .filter(|value| value.len() <= SECRET_CHARS_MAX)
}

/// The bearer token of the request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && token.len() <= SECRET_CHARS_MAX).then(|| token.trim())
}

fn set(name: &str, value: &str, seconds: u32, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).ok()
}

/// `Set-Cookie` that begins a session.
pub(crate) fn begin(secret: &str, secure: bool) -> Option<HeaderValue> {
    set(cookie_name(secure), secret, SESSION_SECONDS, secure)
}

/// `Set-Cookie` that forgets the session.
pub(crate) fn forget(secure: bool) -> Option<HeaderValue> {
    set(cookie_name(secure), "", 0, secure)
}

/// `Set-Cookie` that remembers a language.
pub(crate) fn remember_language(tag: &str, secure: bool) -> Option<HeaderValue> {
    set(LANGUAGE_COOKIE, tag, LANGUAGE_SECONDS, secure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_and_bearers_are_found_by_name() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("a=1; __Host-tocsin=secret; b=2"),
        );
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("bearer abc"));
        assert_eq!(cookie(&headers, "__Host-tocsin"), Some("secret"));
        assert_eq!(cookie(&headers, "tocsin"), None);
        assert_eq!(bearer(&headers), Some("abc"));
        let begun = begin("x", true).unwrap();
        assert_eq!(
            begun,
            "__Host-tocsin=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200; Secure"
        );
    }

    #[test]
    fn a_secret_is_known_by_its_sha_256() {
        assert_eq!(
            secret_hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
