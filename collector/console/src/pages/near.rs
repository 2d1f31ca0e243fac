//! Addresses that people type from memory: where they meant to go.

use super::ticket::number;
use tocsin_desk::register::Book;

/// Pages by the other words that people use for them.
const MEANT: &[(&str, &str)] = &[
    ("account", "/accounts"),
    ("alert", "/alerts"),
    ("availability", "/accounts"),
    ("backup", "/backups"),
    ("board", "/"),
    ("channel", "/channels"),
    ("downtime", "/accounts"),
    ("downtimes", "/accounts"),
    ("duty", "/roster"),
    ("guards", "/planned"),
    ("handovers", "/handover"),
    ("host", "/hosts"),
    ("index", "/"),
    ("login", "/sign-in"),
    ("maintenance", "/planned"),
    ("pages", "/inbox"),
    ("register", "/registers/customers"),
    ("registers", "/registers/customers"),
    ("rosters", "/roster"),
    ("rule", "/rules"),
    ("silence", "/planned"),
    ("silences", "/planned"),
    ("t", "/tickets"),
    ("ticket", "/tickets"),
    ("window", "/planned"),
    ("windows", "/planned"),
];

/// The page that is meant by a path that leads nowhere; none where nobody can tell.
pub(crate) fn meant(path: &str) -> Option<String> {
    let path = path.trim_matches('/').to_lowercase();
    let (first, rest) = path.split_once('/').unwrap_or((&path, ""));
    match (first, rest) {
        (_, "") => {}
        ("t" | "ticket" | "tickets", rest) => return number(rest).map(|number| format!("/t/{number}")),
        ("register" | "registers", word) => return register(word),
        _ => return None,
    }
    let known = MEANT.iter().find(|(word, _)| *word == first);
    known.map(|(_, place)| (*place).to_owned()).or_else(|| register(first))
}

/// A register by its word, or by the word of one of its rows.
fn register(word: &str) -> Option<String> {
    let book = Book::ALL.into_iter().find(|book| {
        let plural = book.as_str();
        word == plural || plural.strip_suffix('s') == Some(word)
    })?;
    Some(format!("/registers/{}", book.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_leads_to_what_they_meant() {
        for (typed, place) in [
            ("/tickets/1042", "/t/1042"),
            ("/ticket/%231042", "/t/1042"),
            ("/T/1042/", "/t/1042"),
            ("/ticket", "/tickets"),
            ("/Host", "/hosts"),
            ("/registers", "/registers/customers"),
            ("/registers/asset", "/registers/assets"),
            ("/knowledge", "/registers/knowledge"),
            ("/contract/", "/registers/contracts"),
        ] {
            assert_eq!(meant(typed).as_deref(), Some(place), "{typed}");
        }
        for typed in [
            "/",
            "/nonsense",
            "/tickets/abc",
            "/hosts/1",
            "//evil.example",
            "/registers/x",
        ] {
            assert_eq!(meant(typed), None, "{typed}");
        }
    }

    #[test]
    fn any_path_is_answered_and_never_leads_away_from_here() {
        bolero::check!().with_type::<String>().for_each(|path| {
            if let Some(place) = meant(path) {
                assert!(place.starts_with('/') && !place.starts_with("//"));
            }
        });
    }
}
