//! Reads a TOML file key by key, so that *all* its mistakes are told at once, each with its line.

use serde::de::{DeserializeOwned, IntoDeserializer as _};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::Range,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// One mistake of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// All mistakes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    /// The file.
    pub file: String,
    /// In the order of their lines.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.mistakes.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{}: {}", self.file, mistake.line, mistake.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// Collects the mistakes of one file while it is read.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    /// Parses `text`; answers the reader and the top table (empty after a syntax error).
    #[must_use]
    pub(crate) fn parse(text: &'a str) -> (Self, Table<'a>) {
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut reader = Self {
            text,
            mistakes: Vec::new(),
        };
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            reader.mistake(span, error.message().trim().to_owned());
        }
        (reader, Table::new(String::new(), document.into_inner()))
    }

    /// Notes a mistake at `span`.
    pub(crate) fn mistake(&mut self, span: Range<usize>, message: String) {
        let line = self.line(span.start);
        self.mistakes.push(Mistake { line, message });
    }

    /// The line of a place in the text, from 1.
    fn line(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or(self.text);
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    /// Notes a mistake in a line, from 1.
    pub(crate) fn mistake_in_line(&mut self, line: usize, message: String) {
        self.mistakes.push(Mistake { line, message });
    }

    /// Whether any mistake was noted.
    pub(crate) const fn has_mistakes(&self) -> bool {
        !self.mistakes.is_empty()
    }

    /// `value` when there was no mistake, all of them otherwise.
    ///
    /// # Errors
    /// When any mistake was noted.
    pub(crate) fn finish<T>(mut self, file: &str, value: T) -> Result<T, Mistakes> {
        if self.mistakes.is_empty() {
            return Ok(value);
        }
        self.mistakes.sort_by_key(|mistake| mistake.line);
        Err(Mistakes {
            file: file.to_owned(),
            mistakes: self.mistakes,
        })
    }
}

/// A table as it stands, and where.
#[derive(Debug)]
pub(crate) struct PlainTable {
    /// Its keys and values.
    pub(crate) table: toml::Table,
    /// The line of its head.
    pub(crate) head: usize,
    /// The line of each key.
    pub(crate) lines: HashMap<String, usize>,
}

/// A table whose keys are taken one by one; what remains is unknown.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    path: String,
    known: Vec<&'static str>,
    entries: BTreeMap<String, (Range<usize>, Spanned<DeValue<'a>>)>,
}

impl<'a> Table<'a> {
    fn new(path: String, table: DeTable<'a>) -> Self {
        let entries = table
            .into_iter()
            .map(|(key, value)| (key.get_ref().to_string(), (key.span(), value)))
            .collect();
        Self {
            path,
            known: Vec::new(),
            entries,
        }
    }

    /// The full name of a key.
    pub(crate) fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Takes `key` as a `T`; none when it is missing or (noted) not a `T`.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Option<T> {
        self.take_spanned(key, reader).map(|(value, _)| value)
    }

    /// As [`Table::take`], with where the value stands.
    pub(crate) fn take_spanned<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
        reader: &mut Reader<'_>,
    ) -> Option<(T, Range<usize>)> {
        self.known.push(key);
        let (_, value) = self.entries.remove(key)?;
        let span = value.span();
        match T::deserialize(value.into_deserializer()) {
            Ok(read) => Some((read, span)),
            Err(error) => {
                let name = self.name(key);
                reader.mistake(
                    error.span().unwrap_or(span),
                    format!("{name}: {}", error.message().trim()),
                );
                None
            }
        }
    }

    /// Takes the table below `key`; an empty one when it is missing or (noted) no table.
    pub(crate) fn table(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Self {
        self.known.push(key);
        let path = self.name(key);
        let Some((_, value)) = self.entries.remove(key) else {
            return Self::new(path, DeTable::new());
        };
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Self::new(path, table),
            _ => {
                reader.mistake(span, format!("{path} is a table: write [{path}] and its keys below"));
                Self::new(path, DeTable::new())
            }
        }
    }

    /// Takes every table below this one, with its name and where it stands; what is no table is noted.
    pub(crate) fn tables(self, reader: &mut Reader<'_>) -> Vec<(String, Range<usize>, Self)> {
        let mut tables = Vec::new();
        for (key, (span, value)) in &self.entries {
            let path = self.name(key);
            match value.get_ref() {
                DeValue::Table(table) => tables.push((key.clone(), span.clone(), Self::new(path, table.clone()))),
                _ => reader.mistake(
                    span.clone(),
                    format!("{path} is a table: write [{path}] and its keys below"),
                ),
            }
        }
        tables
    }

    /// Takes the list of tables below `key`, each read on its own so that one mistake does not hide the next.
    pub(crate) fn list<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
        reader: &mut Reader<'_>,
    ) -> Vec<(T, Range<usize>)> {
        self.known.push(key);
        let path = self.name(key);
        let Some((_, value)) = self.entries.remove(key) else {
            return Vec::new();
        };
        let span = value.span();
        let DeValue::Array(items) = value.into_inner() else {
            reader.mistake(
                span,
                format!("{path} is a list of tables: write [[{path}]] before each"),
            );
            return Vec::new();
        };
        let mut read = Vec::new();
        for item in items {
            let span = item.span();
            match T::deserialize(item.into_deserializer()) {
                Ok(one) => read.push((one, span)),
                Err(error) => {
                    reader.mistake(
                        error.span().unwrap_or(span),
                        format!("{path}: {}", error.message().trim()),
                    );
                }
            }
        }
        read
    }

    /// Takes the list of tables below `key` as they stand, for a reader that finds mistakes by itself.
    pub(crate) fn plain_list(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Vec<PlainTable> {
        let mut plain = Vec::new();
        for (table, span) in self.list::<BTreeMap<String, Spanned<toml::Value>>>(key, reader) {
            plain.push(PlainTable {
                head: reader.line(span.start),
                // Values are on the line of their key, whatever follows.
                lines: table
                    .iter()
                    .map(|(key, value)| (key.clone(), reader.line(value.span().start)))
                    .collect(),
                table: table
                    .into_iter()
                    .map(|(key, value)| (key, value.into_inner()))
                    .collect(),
            });
        }
        plain
    }

    /// Notes every key that nobody took.
    pub(crate) fn finish(self, reader: &mut Reader<'_>) {
        let place = if self.path.is_empty() {
            "at the top".to_owned()
        } else {
            format!("in [{}]", self.path)
        };
        for (key, (span, _)) in &self.entries {
            reader.mistake(
                span.clone(),
                format!("unknown key `{key}` {place}: expected one of {}", self.known.join(", ")),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_told_at_once_with_their_lines() {
        let text = "colour = 1\n[listen]\nport = \"x\"\nhots = 3\n[[item]]\nname = 5\n[[item]]\nname = \"good\"\n";
        #[derive(serde::Deserialize)]
        struct Item {
            name: String,
        }
        let (mut reader, mut top) = Reader::parse(text);
        let mut listen = top.table("listen", &mut reader);
        assert_eq!(listen.take::<u16>("port", &mut reader), None);
        listen.finish(&mut reader);
        let items: Vec<(Item, _)> = top.list("item", &mut reader);
        assert_eq!(
            items.iter().map(|(item, _)| item.name.as_str()).collect::<Vec<_>>(),
            ["good"]
        );
        top.finish(&mut reader);
        let mistakes = reader.finish("c.toml", ()).unwrap_err();
        assert_eq!(
            mistakes.mistakes.iter().map(|mistake| mistake.line).collect::<Vec<_>>(),
            [1, 3, 4, 6]
        );
        assert!(
            mistakes
                .to_string()
                .contains("c.toml:4: unknown key `hots` in [listen]: expected one of port"),
            "{mistakes}"
        );
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let (reader, top) = Reader::parse("a = 1\nb = = 2\n");
        drop(top);
        let mistakes = reader.finish("c.toml", ()).unwrap_err();
        assert_eq!(mistakes.mistakes[0].line, 2);
    }
}
