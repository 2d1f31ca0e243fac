//! What a person can do to a ticket, as the pages and the API offer it.

use crate::authority::Action as Authority;
use crate::backend::Failure;
use std::collections::HashMap;
use std::hash::BuildHasher;
use tocsin_desk::{input::Action, life::ActionKind, model::Person};
use tocsin_vocabulary::{Code, Timestamp};

/// Longest text that a person may write into a field, in characters.
pub(crate) const TEXT_CHARS_MAX: usize = 4_000;

/// The fields that a form for it asks for.
pub(crate) const fn fields(kind: ActionKind) -> &'static [&'static str] {
    match kind {
        ActionKind::Assign => &["person"],
        ActionKind::Wait => &["reason", "until"],
        ActionKind::Resolve => &["cause", "solution"],
        ActionKind::Reopen | ActionKind::Cancel => &["reason"],
        ActionKind::Note => &["text"],
        ActionKind::Merge => &["into"],
        _ => &[],
    }
}

/// What one must be allowed to do it.
pub(crate) const fn needs(kind: ActionKind) -> Authority {
    match kind {
        ActionKind::Confirm => Authority::ConfirmTicket,
        _ => Authority::WorkTicket,
    }
}

/// The action, from the fields of a form or body. `people` are those to whom work can be assigned.
pub(crate) fn action<S: BuildHasher>(
    kind: ActionKind,
    fields: &HashMap<String, String, S>,
    people: &[Person],
    now: Timestamp,
) -> Result<Action, Failure> {
    let text = |name: &str| required(fields, name);
    Ok(match kind {
        ActionKind::Accept => Action::Accept,
        ActionKind::Arrive => Action::Arrive,
        ActionKind::Resume => Action::Resume,
        ActionKind::Restore => Action::Restore,
        ActionKind::Confirm => Action::Confirm,
        ActionKind::Assign => {
            let wanted = text("person")?;
            let person = people
                .iter()
                .find(|person| person.id.to_string() == wanted || person.login == wanted)
                .ok_or_else(|| Failure::new(Code::InvalidInput, "field `person` names nobody in the register"))?;
            Action::Assign {
                to: person.id,
                name: person.name.clone(),
            }
        }
        ActionKind::Wait => Action::Wait {
            reason: text("reason")?,
            until: until(fields, now)?,
        },
        ActionKind::Resolve => Action::Resolve {
            cause: text("cause")?,
            solution: text("solution")?,
        },
        ActionKind::Reopen => Action::Reopen {
            reason: text("reason")?,
        },
        ActionKind::Cancel => Action::Cancel {
            reason: text("reason")?,
        },
        ActionKind::Note => Action::Note { text: text("text")? },
        ActionKind::Merge => Action::Merge {
            into: text("into")?
                .trim_start_matches('#')
                .parse()
                .map_err(|_| Failure::new(Code::InvalidInput, "field `into` is no ticket's number"))?,
        },
        ActionKind::Recur => {
            return Err(Failure::new(
                Code::InvalidInput,
                "only the desk itself lets a ticket recur",
            ));
        }
    })
}

fn required<S: BuildHasher>(fields: &HashMap<String, String, S>, name: &str) -> Result<String, Failure> {
    let text = fields.get(name).map(|text| text.trim()).unwrap_or_default();
    if text.is_empty() {
        return Err(Failure::new(
            Code::InvalidInput,
            format!("field `{name}` is empty: fill it in"),
        ));
    }
    if text.chars().count() > TEXT_CHARS_MAX {
        let reason = format!("field `{name}` is longer than {TEXT_CHARS_MAX} characters: shorten it");
        return Err(Failure::new(Code::InvalidInput, reason));
    }
    Ok(text.to_owned())
}

/// When waiting is expected to end: a time, or a duration from now such as `4h`; empty when nobody knows.
fn until<S: BuildHasher>(fields: &HashMap<String, String, S>, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
    let text = fields.get("until").map(|text| text.trim()).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(duration) = tocsin_vocabulary::time::parse_duration(text) {
        return Ok(Some(now.plus(duration)));
    }
    text.parse().map(Some).map_err(|_| {
        let reason = "field `until` is neither a time such as 2026-11-22T18:00:00+08:00 nor a duration such as 4h";
        Failure::new(Code::InvalidInput, reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_or_endless_field_is_refused_by_name() {
        let mut fields = HashMap::new();
        let now = Timestamp::from_millis(0);
        assert!(
            action(ActionKind::Note, &fields, &[], now)
                .unwrap_err()
                .reason
                .contains("`text`")
        );
        fields.insert("text".to_owned(), "x".repeat(TEXT_CHARS_MAX + 1));
        assert!(
            action(ActionKind::Note, &fields, &[], now)
                .unwrap_err()
                .reason
                .contains("4000")
        );
        fields.insert("reason".to_owned(), "parts".to_owned());
        fields.insert("until".to_owned(), "4h".to_owned());
        let expected = Action::Wait {
            reason: "parts".to_owned(),
            until: Some(Timestamp::from_millis(14_400_000)),
        };
        assert_eq!(action(ActionKind::Wait, &fields, &[], now), Ok(expected));
        fields.insert("until".to_owned(), "soon".to_owned());
        assert!(action(ActionKind::Wait, &fields, &[], now).is_err());
    }
}
