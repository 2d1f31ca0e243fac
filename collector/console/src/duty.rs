//! Doing something in the duty room from a page: who may, who did, and a failure as words beside the form.

use crate::{authority, backend::Failure, guard::Visit};
use std::collections::HashMap;
use tocsin_desk::{
    duty::{Doer, Done, DutyAct},
    model::Person,
};
use tocsin_vocabulary::{Code, Timestamp};

/// Does one thing, if whoever asks may.
pub(crate) async fn act(visit: &Visit, act: DutyAct) -> Result<Done, Failure> {
    visit.require(authority::needs(&act))?;
    let person = visit.person()?;
    let by = Doer {
        login: person.login.clone(),
        name: person.name.clone(),
        via: "console".to_owned(),
    };
    visit.console.backend.duty_act(&by, act).await
}

/// A field of a form, trimmed; empty when it is missing.
pub(crate) fn field<'a>(fields: &'a HashMap<String, String>, name: &str) -> &'a str {
    fields.get(name).map(|value| value.trim()).unwrap_or_default()
}

/// A field that is a number.
pub(crate) fn number<T: std::str::FromStr>(fields: &HashMap<String, String>, name: &str) -> Result<T, Failure> {
    let text = field(fields, name).trim_start_matches('#');
    text.parse()
        .map_err(|_| Failure::new(Code::InvalidInput, format!("field `{name}` is no number")))
}

/// A field that is a local time of the site, such as `2026-11-22T14:05`.
pub(crate) fn moment(visit: &Visit, fields: &HashMap<String, String>, name: &str) -> Result<Timestamp, Failure> {
    let wrong = || {
        Failure::new(
            Code::InvalidInput,
            format!("field `{name}` is no time such as 2026-11-22T14:05"),
        )
    };
    let local: jiff::civil::DateTime = field(fields, name).parse().map_err(|_| wrong())?;
    let zoned = local
        .to_zoned(visit.console.options.zone.clone())
        .map_err(|_| wrong())?;
    Ok(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

/// A time as the field of a form wants it, by the clock of the site.
pub(crate) fn local(visit: &Visit, at: Timestamp) -> String {
    let instant = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    let zoned = instant.to_zoned(visit.console.options.zone.clone());
    zoned.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// What people call somebody; the login itself for whoever is not in the register any more.
pub(crate) fn name_of(people: &[Person], login: &str) -> String {
    let found = people.iter().find(|person| person.login == login);
    found.map_or_else(|| login.to_owned(), |person| person.name.clone())
}

/// The names of these logins.
pub(crate) fn names_of(people: &[Person], logins: &[String]) -> String {
    let names: Vec<String> = logins.iter().map(|login| name_of(people, login)).collect();
    names.join("\u{3001}")
}
