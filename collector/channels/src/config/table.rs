//! One `[[channel]]` table, read so that all its mistakes are told at once, each with its key.
//!
//! serde stops at its first mistake. So the key that is to blame is found (it is the one without which the mistake is
//! another), noted and left out, what then is missing is filled in, and the rest is read again. What comes of that is good
//! for finding further mistakes, and for nothing else.

use super::{BuildMistake, ChannelConfig, Common, Kind};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::collections::BTreeSet;
use toml::{Table, Value};

/// Keys of a table that are looked at; more are none of ours anyway.
const KEYS_MAX: usize = 100;
/// The key that says which other keys there are.
const KIND: &str = "kind";
/// What stands for a required text that is missing or wrong.
const UNSET: &str = "unset";

/// A `[[channel]]` table with its mistakes.
#[derive(Debug)]
pub struct ChannelTable {
    name: String,
    config: Option<ChannelConfig>,
    /// What serde says.
    wrong: Vec<BuildMistake>,
    /// Keys of which enough was said.
    blamed: BTreeSet<String>,
}

impl ChannelTable {
    /// Reads a table.
    #[must_use]
    pub fn read(mut table: Table) -> Self {
        let name = table.get("name").and_then(Value::as_str).unwrap_or("?").to_owned();
        let mut shared = Table::new();
        for key in Common::KEYS {
            if let Some(value) = table.remove(*key) {
                shared.insert((*key).to_owned(), value);
            }
        }
        let mut read = Self {
            name,
            config: None,
            wrong: Vec::new(),
            blamed: BTreeSet::new(),
        };
        // Both are read before either is refused, so that both are told.
        let common: Option<Common> = read.part(shared);
        let kind: Option<Kind> = read.part(table);
        read.config = common.zip(kind).map(|(common, kind)| ChannelConfig { common, kind });
        read
    }

    /// The channel's name; `?` without one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The settings; as they stand only when there are no mistakes.
    #[must_use]
    pub fn config(self) -> Option<ChannelConfig> {
        self.config
    }

    /// Everything that is wrong with the table by itself. Reads no file.
    #[must_use]
    pub fn mistakes(&self) -> Vec<BuildMistake> {
        let settings = self.config.iter().flat_map(ChannelConfig::mistakes);
        let settings = settings.filter(|mistake| !self.is_blamed(mistake));
        let settings = settings.map(|message| self.mistake(None, message));
        self.wrong.iter().cloned().chain(settings).collect()
    }

    /// Everything that is wrong with the files that it names.
    #[must_use]
    pub fn file_mistakes(&self) -> Vec<BuildMistake> {
        let mut mistakes: Vec<_> = self.config.iter().flat_map(ChannelConfig::file_mistakes).collect();
        mistakes.retain(|mistake| mistake.key.as_ref().is_none_or(|key| !self.blamed.contains(key)));
        mistakes
    }

    fn is_blamed(&self, mistake: &str) -> bool {
        self.blamed.iter().any(|key| mistake.contains(&format!("`{key}`")))
    }

    fn mistake(&self, key: Option<&str>, message: String) -> BuildMistake {
        BuildMistake {
            channel: self.name.clone(),
            key: key.map(str::to_owned),
            message,
        }
    }

    /// Reads the part of a table that makes a `T`, and notes what is wrong.
    fn part<T: for<'de> Deserialize<'de>>(&mut self, mut part: Table) -> Option<T> {
        let failure = |part: &Table| {
            T::deserialize(part.clone())
                .err()
                .map(|error| error.message().to_owned())
        };
        let mut filled = BTreeSet::new();
        for _ in 0..KEYS_MAX {
            let Some(said) = failure(&part) else { break };
            let named = |head: &str| {
                let rest = said.strip_prefix(head)?;
                rest.split('`').next().map(str::to_owned)
            };
            if let Some(key) = named("missing field `") {
                if self.blamed.insert(key.clone()) {
                    self.wrong.push(self.mistake(None, format!("`{key}` is missing")));
                }
                filled.insert(key.clone());
                part.insert(key, Value::from(UNSET));
                continue;
            }
            let to_blame = named("unknown field `").or_else(|| {
                let is_other = |key: &&String| {
                    let mut without = part.clone();
                    without.remove(*key);
                    failure(&without).is_none_or(|other| other != said)
                };
                // Without its kind every table says something else, so that is asked last.
                let mut keys = part.keys().filter(|key| *key != KIND);
                let found = keys.find(is_other).cloned();
                found.or_else(|| part.contains_key(KIND).then(|| KIND.to_owned()))
            });
            // What was only filled in is nobody's mistake, and one that is no key's ends the search.
            let Some(key) = to_blame.filter(|key| !filled.contains(key)) else {
                if filled.is_empty() {
                    self.wrong.push(self.mistake(None, plain(&said)));
                }
                return None;
            };
            part.remove(&key);
            self.wrong.push(self.mistake(Some(&key), explained(&key, &said)));
            self.blamed.insert(key);
        }
        T::deserialize(part).ok()
    }
}

/// What is wrong with a key.
fn explained(key: &str, said: &str) -> String {
    let Some((_, known)) = said
        .split_once("unknown field `")
        .and_then(|(_, rest)| rest.split_once("`, "))
    else {
        return plain(said);
    };
    let file = format!("`{key}_file`");
    if known.contains(&file) {
        return format!("a secret does not stand here: write it into a file of its own and name that in {file}");
    }
    let of_all = Common::KEYS.join("`, `");
    format!("unknown key, {known}; every channel may have `{of_all}`")
}

/// serde's words without the names of Rust's types.
fn plain(said: &str) -> String {
    let (head, wanted) = said.rsplit_once("expected ").unwrap_or((said, ""));
    let wanted = match wanted {
        "" => return said.to_owned(),
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, not negative",
        "i32" | "i64" => "a whole number",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list in square brackets",
        "a map" => "a table in braces",
        "path string" => "a path in quotes",
        "a string" => "a text in quotes",
        other => other,
    };
    format!("{head}expected {wanted}")
}

impl<'de> Deserialize<'de> for ChannelConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = ChannelTable::read(Table::deserialize(deserializer)?);
        let wrong: Vec<String> = table.wrong.iter().map(ToString::to_string).collect();
        match table.config {
            Some(config) if wrong.is_empty() => Ok(config),
            _ => Err(D::Error::custom(wrong.join("; "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let table = ChannelTable::read(text.parse().unwrap());
        let all = table.mistakes().into_iter().chain(table.file_mistakes());
        all.map(|mistake| format!("{}: {}", mistake.key.unwrap_or_default(), mistake.message))
            .collect()
    }

    #[test]
    fn one_mistake_hides_no_other() {
        let told = told(
            r#"
            name = "sms"
            kind = "smpp"
            host = "smsc.example.com"
            port = 99999
            system_id = 5
            password = "hush"
            colour = "red"
            per_minute = "many"
            quiet = "25:00-07:00"
            signal_min = 200
            source = "much too long a number for a source"
            "#,
        );
        let wanted = [
            "per_minute: invalid type: string \"many\", expected a whole number",
            "quiet: `25:00-07:00` is no span of a day",
            "colour: unknown key, expected one of `host`",
            "password: a secret does not stand here: write it into a file of its own and name that in `password_file`",
            "port: invalid value: integer `99999`, expected a whole number from 0 to 65535",
            "system_id: invalid type: integer `5`, expected a text in quotes",
            ": `password_file` is missing",
            ": `signal_min` and `delivery_min` are percent",
            ": `source`: at most 20",
        ];
        for wanted in wanted {
            assert!(told.iter().any(|told| told.starts_with(wanted)), "{wanted}: {told:#?}");
        }
        assert_eq!(told.len(), wanted.len(), "{told:#?}");
        assert!(!format!("{told:?}").contains("hush"));
    }

    #[test]
    fn a_kind_that_is_missing_or_unknown_is_told() {
        let told = told("name = \"fax\"\nkind = \"fax\"\nper_minute = 0\n");
        assert!(
            told[0].starts_with("kind: unknown variant `fax`, expected one of"),
            "{told:?}"
        );
        let told = super::tests::told("name = \"fax\"\n");
        assert_eq!(told, [": `kind` is missing"]);
        let told = super::tests::told("kind = \"wecom\"\ntoken_file = \"/nonexistent/token\"\n");
        assert_eq!(told.len(), 2, "{told:?}");
    }

    #[test]
    fn any_table_is_read_or_refused() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Ok(table) = String::from_utf8_lossy(bytes).parse::<Table>() {
                let table = ChannelTable::read(table);
                assert!(table.config.is_some() || !table.mistakes().is_empty());
            }
        });
    }
}
