//! Style sheet, script and icon: built in, named by the hash of their content, kept by browsers for a year.

use axum::{
    body::Body,
    extract::Path,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::LazyLock;

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: String,
    hash: String,
}

static ASSETS: LazyLock<[Asset; 4]> = LazyLock::new(|| {
    [
        (
            "console.css",
            "text/css; charset=utf-8",
            [tocsin_chart::CHART_CSS, include_str!("../assets/console.css")],
        ),
        (
            "console.js",
            "text/javascript; charset=utf-8",
            [tocsin_chart::CHART_JS, include_str!("../assets/console.js")],
        ),
        (
            "sign.js",
            "text/javascript; charset=utf-8",
            [include_str!("../assets/sign.js"), ""],
        ),
        ("icon.svg", "image/svg+xml", [include_str!("../assets/icon.svg"), ""]),
    ]
    .map(|(name, kind, parts)| {
        let text = parts.concat();
        let hash = crate::session::secret_hash(&text)[..16].to_owned();
        Asset { name, kind, text, hash }
    })
});

/// Where an asset is found, such as `/assets/0123456789abcdef/console.css`.
pub(crate) fn url(name: &str) -> String {
    ASSETS
        .iter()
        .find(|asset| asset.name == name)
        .map_or_else(String::new, |asset| format!("/assets/{}/{}", asset.hash, asset.name))
}

/// `GET /assets/{hash}/{name}`. An old hash still gets the current file, but not for long.
pub(crate) async fn serve(Path((hash, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = format!("\"{}\"", asset.hash);
    let fresh = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let body = if fresh {
        Body::empty()
    } else {
        Body::from(asset.text.as_str())
    };
    let mut response = Response::new(body);
    if fresh {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let long = hash == asset.hash;
    let keep = if long {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
