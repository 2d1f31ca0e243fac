//! Reading a TOML document key by key and collecting every mistake with its line and a hint.
//!
//! serde stops at the first mistake; an administrator wants them all at once.

use std::{
    fmt,
    ops::{Range, RangeInclusive},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// One thing that is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Line in the file, from 1; 0 when it is not about one line.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "{}", self.problem)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}

/// The mistakes of one text, in the order they were found.
#[derive(Debug)]
pub(super) struct Mistakes<'t> {
    text: &'t str,
    pub(super) list: Vec<Mistake>,
}

impl<'t> Mistakes<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, list: Vec::new() }
    }

    pub(super) fn add(&mut self, span: &Range<usize>, problem: impl Into<String>, hint: impl Into<String>) {
        let before = self.text.get(..span.start.min(self.text.len())).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        self.list.push(Mistake {
            line,
            problem: problem.into(),
            hint: hint.into(),
        });
    }
}

/// A table whose keys are taken one by one; what is left over is unknown.
pub(super) struct Table<'i, 'm, 't> {
    name: String,
    entries: Vec<(Spanned<std::borrow::Cow<'i, str>>, Spanned<DeValue<'i>>)>,
    known: Vec<&'static str>,
    pub(super) span: Range<usize>,
    pub(super) mistakes: &'m mut Mistakes<'t>,
}

impl<'i, 'm, 't> Table<'i, 'm, 't> {
    pub(super) fn new(name: &str, table: Spanned<DeTable<'i>>, mistakes: &'m mut Mistakes<'t>) -> Self {
        let span = table.span();
        let entries = table.into_inner().into_iter().collect();
        Self {
            name: name.to_owned(),
            entries,
            known: Vec::new(),
            span,
            mistakes,
        }
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'i>>> {
        self.known.push(key);
        let at = self.entries.iter().position(|(name, _)| name.get_ref() == key)?;
        Some(self.entries.swap_remove(at).1)
    }

    fn wrong_type(&mut self, key: &str, value: &Spanned<DeValue<'i>>, expected: &str) {
        let problem = format!("`{}` is {}, expected {expected}", self.path(key), kind(value.get_ref()));
        self.mistakes.add(&value.span(), problem, "");
    }

    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.take(key) else {
            return default;
        };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong_type(key, &value, "true or false");
            default
        })
    }

    /// A whole number within bounds.
    pub(super) fn integer(&mut self, key: &'static str, bounds: RangeInclusive<u16>) -> Option<u16> {
        let value = self.take(key)?;
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let Some(number) = value.get_ref().as_integer() else {
            self.wrong_type(key, &value, &expected);
            return None;
        };
        let number = u16::from_str_radix(number.as_str(), number.radix()).ok();
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            let problem = format!("`{}` is out of bounds", self.path(key));
            self.mistakes.add(&value.span(), problem, expected);
        }
        number
    }

    /// A text that `read` understands; its error is the problem.
    pub(super) fn parsed<T, E: fmt::Display>(
        &mut self,
        key: &'static str,
        hint: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.take(key)?;
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_type(key, &value, "a text in quotes");
            return None;
        };
        match read(text) {
            Ok(read) => Some(read),
            Err(error) => {
                let problem = format!("`{}`: {error}", self.path(key));
                self.mistakes.add(&value.span(), problem, hint);
                None
            }
        }
    }

    /// A list of texts, each checked.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        check: impl Fn(&str) -> Result<(), (String, String)>,
    ) -> Option<Vec<String>> {
        let value = self.take(key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, &value, "a list of texts such as [\"a\", \"b\"]");
            return None;
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            let Some(text) = item.get_ref().as_str() else {
                self.wrong_type(key, item, "a text in quotes");
                continue;
            };
            match check(text) {
                Ok(()) => texts.push(text.to_owned()),
                Err((problem, hint)) => {
                    let problem = format!("`{}`: {problem}", self.path(key));
                    self.mistakes.add(&item.span(), problem, hint);
                }
            }
        }
        Some(texts)
    }

    /// A table of its own below this one; an absent one is empty.
    pub(super) fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Table<'i, '_, 't>) -> T) -> T {
        let value = self.take(key);
        let span = value.as_ref().map_or(self.span.clone(), Spanned::span);
        let table = match value.map(|value| (value.span(), value.into_inner())) {
            Some((_, DeValue::Table(table))) => table,
            None => DeTable::new(),
            Some((span, other)) => {
                let value = Spanned::new(span, other);
                self.wrong_type(key, &value, "a table");
                DeTable::new()
            }
        };
        let path = self.path(key);
        let mut inner = Table::new(&path, Spanned::new(span, table), self.mistakes);
        let read = read(&mut inner);
        inner.finish();
        read
    }

    /// An array of tables, `[[key]]`.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Table<'i, '_, 't>) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let span = value.span();
        let items = match value.into_inner() {
            DeValue::Array(items) => items,
            other => {
                self.wrong_type(key, &Spanned::new(span, other), &format!("tables written as [[{key}]]"));
                return Vec::new();
            }
        };
        let mut out = Vec::new();
        for item in items {
            let span = item.span();
            match item.into_inner() {
                DeValue::Table(table) => {
                    let path = self.path(key);
                    let mut inner = Table::new(&path, Spanned::new(span, table), self.mistakes);
                    out.extend(read(&mut inner));
                    inner.finish();
                }
                other => self.wrong_type(key, &Spanned::new(span, other), "a table"),
            }
        }
        out
    }

    /// Whatever was not taken is unknown.
    pub(super) fn finish(self) {
        for (key, _) in &self.entries {
            let close = self
                .known
                .iter()
                .filter(|known| alike(known, key.get_ref()))
                .min_by_key(|known| known.len());
            let hint = match close {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            let problem = format!("`{}` is not a setting", self.path(key.get_ref()));
            self.mistakes.add(&key.span(), problem, hint);
        }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Whether two words differ by at most two edits (Levenshtein), and by no more than a third of their length.
fn alike(a: &str, b: &str) -> bool {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last()
        .is_some_and(|distance| *distance <= 2 && distance * 3 <= b.len())
}
