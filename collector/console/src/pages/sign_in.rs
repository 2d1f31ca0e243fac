//! Coming in and going out: password form, one-time link, sign-out, choice of language.

use crate::{
    backend::Failure,
    guard::{Answer, Visit, local_place, see_other},
    markup::percent,
    password, session,
    shell::{Shell, page},
};
use askama::Template;
use axum::{Form, extract::Path, http::HeaderMap, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use tocsin_desk::{model::Person, record::AuditLine};
use tocsin_vocabulary::Language;

/// Longest login that is looked up, in bytes.
const LOGIN_BYTES_MAX: usize = 128;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    shell: Shell,
    login: String,
    next: String,
    wrong: bool,
}

#[derive(Template)]
#[template(path = "once.html")]
struct Once {
    shell: Shell,
    action: String,
    used: bool,
}

/// `GET /sign-in`.
pub(crate) async fn form(visit: Visit) -> Answer {
    let next = visit.parameter("next").unwrap_or_default();
    let next = local_place(&next).to_owned();
    if visit.speaker.is_some() {
        return Ok(see_other(&next));
    }
    page(&SignIn {
        shell: Shell::new(&visit, "").with_here("/sign-in"),
        login: String::new(),
        next,
        wrong: false,
    })
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Entry {
    login: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// `POST /sign-in`. Unknown login, wrong password and locked login get one answer, at one cost.
pub(crate) async fn enter(visit: Visit, Form(entry): Form<Entry>) -> Answer {
    let backend = &visit.console.backend;
    let login = entry.login.trim().to_owned();
    let next = local_place(&entry.next).to_owned();
    let known = if login.len() <= LOGIN_BYTES_MAX {
        backend.credentials(&login).await?
    } else {
        None
    };
    let open = known.filter(|known| known.locked_until.is_none_or(|until| until <= visit.now));
    let good = password::check(entry.password, open.as_ref().map(|known| known.password_hash.clone())).await?;
    match open {
        Some(known) if good => begin(&visit, &known.person, "password", &next).await,
        open => {
            if let Some(known) = open
                && backend.sign_in_failed(known.person.id, visit.now).await?
            {
                audit(&visit, &known.person.login, "session.lock", "too many wrong passwords").await?;
            }
            let shell = Shell::new(&visit, "").with_here("/sign-in");
            let mut response = page(&SignIn {
                shell,
                login,
                next,
                wrong: true,
            })?;
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            Ok(response)
        }
    }
}

/// `GET /sign-in/once/{secret}`: only a button, for previews of links fetch pages but press nothing.
pub(crate) async fn once(visit: Visit, Path(secret): Path<String>) -> Answer {
    let action = format!("/sign-in/once/{}", percent(&secret));
    page(&Once {
        shell: Shell::new(&visit, ""),
        action,
        used: false,
    })
}

/// `POST /sign-in/once/{secret}`.
pub(crate) async fn enter_once(visit: Visit, Path(secret): Path<String>) -> Answer {
    let hash = session::secret_hash(&secret);
    match visit.console.backend.redeem_sign_in_link(&hash, visit.now).await? {
        Some(person) => begin(&visit, &person, "link", "/").await,
        None => {
            let mut response = page(&Once {
                shell: Shell::new(&visit, ""),
                action: String::new(),
                used: true,
            })?;
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}

/// `POST /sign-out`.
pub(crate) async fn leave(visit: Visit, headers: HeaderMap) -> Answer {
    let secure = visit.console.options.secure_cookies;
    if let Some(secret) = session::cookie(&headers, session::cookie_name(secure)) {
        visit.console.backend.end_session(&session::secret_hash(secret)).await?;
    }
    if let Some(speaker) = &visit.speaker {
        audit(&visit, &speaker.person.login, "session.end", "").await?;
    }
    Ok(with_cookie(see_other("/sign-in"), session::forget(secure)))
}

/// What the language switch sends.
#[derive(Deserialize)]
pub(crate) struct Choice {
    language: String,
    #[serde(default)]
    back: String,
}

/// `POST /language`.
pub(crate) async fn language(visit: Visit, Form(choice): Form<Choice>) -> Answer {
    let chosen = Language::from_tag(&choice.language).unwrap_or_default();
    let cookie = session::remember_language(chosen.tag(), visit.console.options.secure_cookies);
    Ok(with_cookie(see_other(local_place(&choice.back)), cookie))
}

async fn begin(visit: &Visit, person: &Person, how: &str, next: &str) -> Answer {
    let secret = session::new_secret(&visit.console);
    visit
        .console
        .backend
        .begin_session(&session::secret_hash(&secret), person.id, visit.now)
        .await?;
    audit(visit, &person.login, "session.begin", how).await?;
    Ok(with_cookie(
        see_other(next),
        session::begin(&secret, visit.console.options.secure_cookies),
    ))
}

async fn audit(visit: &Visit, login: &str, action: &str, detail: &str) -> Result<(), Failure> {
    let line = AuditLine {
        at: visit.now,
        actor: login.to_owned(),
        via: "console".to_owned(),
        action: action.to_owned(),
        subject: login.to_owned(),
        detail: detail.to_owned(),
    };
    visit.console.backend.audit(line).await
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
