//! Serves the console over a made-up duty room, for looking at pages: plain HTTP, loopback only, no real data.
//!
//! `cargo run -p tocsin-console --example preview [calm] [en]`, then open the address that it prints.

#[allow(dead_code)] // the tests use more of it
mod fake;

use axum::{extract::Request, middleware::Next};
use fake::Fake;
use http::{HeaderValue, header};
use std::{error::Error, sync::Arc, time::UNIX_EPOCH};
use tocsin_console::{ConsoleOptions, backend::Access as _, link, router};
use tocsin_vocabulary::Timestamp;

#[tokio::main]
#[allow(clippy::print_stdout)] // what a preview is for
async fn main() -> Result<(), Box<dyn Error>> {
    #[allow(clippy::disallowed_methods)] // the one clock of this program
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = Timestamp::from_millis(i64::try_from(now.as_millis())?);
    let calm = std::env::args().any(|argument| argument == "calm");
    let fake = if calm {
        Fake::calm(now)
    } else {
        Fake::new(now, "mail-01")
    };
    let language = if std::env::args().any(|argument| argument == "en") {
        "en"
    } else {
        "zh-CN"
    };
    let secret = fake.signed_in("zhao");
    let page = link::path(&fake.link_key(), fake.page_of(1042));
    let options = ConsoleOptions {
        secure_cookies: false,
        ..ConsoleOptions::default()
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    println!("http://{address}/");
    println!("http://{address}{page}");
    let router = router(Arc::new(fake), options);
    // Whoever comes is signed in already: there is nothing to protect, and screenshots need no form.
    let cookie = HeaderValue::from_str(&format!("tocsin={secret}; tocsin-language={language}"))?;
    let router = router.layer(axum::middleware::from_fn(move |mut request: Request, next: Next| {
        request.headers_mut().insert(header::COOKIE, cookie.clone());
        next.run(request)
    }));
    axum::serve(listener, router).await?;
    Ok(())
}
