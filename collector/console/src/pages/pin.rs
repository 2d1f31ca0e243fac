//! One's own PIN, with which handovers and approvals are signed.

use crate::{
    authority::Action,
    backend::Failure,
    duty::{self, field},
    guard::{Answer, Visit, see_other},
    shell::{Shell, page},
};
use askama::Template;
use axum::Form;
use http::StatusCode;
use std::collections::HashMap;
use tocsin_desk::duty::DutyAct;
use tocsin_vocabulary::Code;

#[derive(Template)]
#[template(path = "pin.html")]
struct PinPage {
    shell: Shell,
    has_pin: bool,
    error: String,
}

/// `GET /pin`.
pub(crate) async fn form(visit: Visit) -> Answer {
    page(&view(&visit, String::new()).await?)
}

/// `POST /pin`.
pub(crate) async fn set(visit: Visit, Form(fields): Form<HashMap<String, String>>) -> Answer {
    let (pin, again) = (field(&fields, "pin"), field(&fields, "again"));
    let done = if pin == again {
        let login = visit.person()?.login.clone();
        let pin = pin.to_owned();
        duty::act(&visit, DutyAct::SetPin { login, pin }).await
    } else {
        Err(Failure::new(Code::InvalidInput, "the two PINs are not the same"))
    };
    match done {
        // A customer signs approvals and no handovers.
        Ok(_) => Ok(see_other(if visit.may(Action::ReadDuty) {
            "/handover"
        } else {
            "/tickets"
        })),
        Err(failure) if matches!(failure.code, Code::Internal | Code::Forbidden) => Err(failure.into()),
        Err(failure) => {
            let mut response = page(&view(&visit, failure.reason).await?)?;
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
    }
}

async fn view(visit: &Visit, error: String) -> Result<PinPage, Failure> {
    Ok(PinPage {
        shell: Shell::new(visit, "duty"),
        has_pin: visit.console.backend.has_pin(visit.person()?.id).await?,
        error,
    })
}
