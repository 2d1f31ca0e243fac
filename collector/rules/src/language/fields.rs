//! A table of a rule file, read key by key; mistakes are collected, not thrown.

use super::RuleError;
use crate::nearest::nearest;
use std::time::Duration;
use tocsin_vocabulary::time::{format_duration, parse_duration};
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

/// One table with the place it stands at.
pub(crate) struct Fields<'a> {
    file: &'a str,
    text: &'a str,
    table: &'a DeTable<'a>,
    start: usize,
    /// The rule's name once it is known, for messages.
    name: Option<&'a str>,
    errors: &'a mut Vec<RuleError>,
}

/// The line, from 1, of a byte offset.
pub(crate) fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// A finite number.
fn number_of(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .map(|integer| integer as f64),
        DeValue::Float(float) => float.as_str().parse::<f64>().ok().filter(|float| float.is_finite()),
        _ => None,
    }
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(
        file: &'a str,
        text: &'a str,
        table: &'a DeTable<'a>,
        start: usize,
        errors: &'a mut Vec<RuleError>,
    ) -> Self {
        Self {
            file,
            text,
            table,
            start,
            name: None,
            errors,
        }
    }

    pub(crate) const fn own_table(&self) -> &'a DeTable<'a> {
        self.table
    }

    pub(crate) const fn file(&self) -> &'a str {
        self.file
    }

    pub(crate) fn first_line(&self) -> usize {
        line(self.text, self.start)
    }

    /// Number of mistakes so far, of all files.
    pub(crate) const fn mistakes(&self) -> usize {
        self.errors.len()
    }

    /// From now on messages name the rule.
    pub(crate) const fn call(&mut self, name: &'a str) {
        self.name = Some(name);
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(crate) fn error_at(&mut self, at: usize, message: &str, hint: &str) {
        let message = match self.name {
            Some(name) => format!("rule `{name}`: {message}"),
            None => message.to_owned(),
        };
        self.errors.push(RuleError {
            file: self.file.to_owned(),
            line: line(self.text, at),
            message,
            hint: hint.to_owned(),
        });
    }

    /// A mistake at `key`, or at the table's beginning when it lacks the key.
    pub(crate) fn error(&mut self, key: &str, message: &str, hint: &str) {
        let at = self.table.get(key).map_or(self.start, |value| value.span().start);
        self.error_at(at, message, hint);
    }

    pub(crate) fn refuse_unknown(&mut self, known: &[&'static str], what: &str) {
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let hint = match nearest(name, known.iter().copied()) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("known here: {}", known.join(", ")),
                };
                let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) {
                    "an"
                } else {
                    "a"
                };
                self.error_at(
                    key.span().start,
                    &format!("unknown key `{}` of {article} {what}", name.escape_debug()),
                    &hint,
                );
            }
        }
    }

    /// A table inside this one, with the same file and mistakes.
    pub(crate) fn inner<'b>(&'b mut self, table: &'b DeTable<'b>, start: usize) -> Fields<'b> {
        Fields {
            file: self.file,
            text: self.text,
            table,
            start,
            name: self.name,
            errors: self.errors,
        }
    }

    /// The table at `key`, and where it stands.
    pub(crate) fn table(&mut self, key: &str, example: &str) -> Option<(&'a DeTable<'a>, usize)> {
        let value = self.get(key)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(key, value, &format!("a table such as {example}"));
        }
        Some((table?, value.span().start))
    }

    /// The tables of the list at `key`, and where they stand.
    pub(crate) fn tables(&mut self, key: &str, example: &str) -> Option<Vec<(&'a DeTable<'a>, usize)>> {
        let value = self.get(key)?;
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(key, value, &format!("a list such as {example}"));
            return None;
        };
        let mut tables = Vec::new();
        for value in list {
            match value.get_ref().as_table() {
                Some(table) => tables.push((table, value.span().start)),
                None => self.wrong_type(key, value, &format!("a list of tables such as {example}")),
            }
        }
        (tables.len() == list.len()).then_some(tables)
    }

    /// All tables in `table`, by name.
    pub(crate) fn named_tables(
        &mut self,
        table: &'a DeTable<'a>,
        example: &str,
    ) -> Vec<(&'a str, &'a DeTable<'a>, usize)> {
        let mut tables = Vec::new();
        for (key, value) in table {
            let name: &'a str = key.get_ref().as_ref();
            match value.get_ref().as_table() {
                Some(table) => tables.push((name, table, value.span().start)),
                None => self.wrong_type(name, value, &format!("a table such as {example}")),
            }
        }
        tables
    }

    /// The numbers of the list at `key`.
    pub(crate) fn numbers(&mut self, key: &str) -> Option<Vec<f64>> {
        let value = self.get(key)?;
        let numbers = value
            .get_ref()
            .as_array()
            .and_then(|list| list.iter().map(|value| number_of(value.get_ref())).collect());
        if numbers.is_none() {
            self.wrong_type(key, value, "a list of numbers such as [1, 2]");
        }
        numbers
    }

    /// Seconds, as a number or as a duration.
    pub(crate) fn seconds(&mut self, key: &str, max: Duration) -> Option<f64> {
        if self.get(key)?.get_ref().is_str() {
            return self.duration(key, max).map(|duration| duration.as_secs_f64());
        }
        self.number(key)
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    fn wrong_type(&mut self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("`{key}` is {found}, expected {expected}");
        self.error_at(value.span().start, &message, "correct the value");
    }

    fn missing(&mut self, key: &str) {
        self.error_at(self.start, &format!("`{key}` is missing"), "add it");
    }

    fn text(&mut self, key: &str) -> Option<&'a str> {
        let value = self.get(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(key, value, "a text in quotes");
        }
        text
    }

    pub(crate) fn required_text(&mut self, key: &str) -> Option<&'a str> {
        if !self.has(key) {
            self.missing(key);
        }
        self.text(key)
    }

    /// `key.inner`, and where it stands.
    pub(crate) fn required_text_in(&mut self, key: &str, inner: &str) -> Option<(usize, &'a str)> {
        let value = self.get(key);
        match value.map(Spanned::get_ref) {
            None => self.missing(&format!("{key}.{inner}")),
            Some(DeValue::Table(table))
                if inner == "en"
                    && table.len() > table.contains_key("en") as usize + table.contains_key("zh") as usize =>
            {
                self.error(
                    key,
                    &format!("`{key}` has a language that is not known"),
                    "known here: en, zh",
                );
            }
            Some(DeValue::Table(table)) => match table.get(inner) {
                None => self.missing(&format!("{key}.{inner}")),
                Some(value) => match value.get_ref().as_str() {
                    Some("") | None => {
                        self.wrong_type(&format!("{key}.{inner}"), value, "words in quotes");
                    }
                    Some(text) => return Some((value.span().start, text)),
                },
            },
            Some(_) => {
                let hint = format!("write {key}.en = \"…\" and {key}.zh = \"…\"");
                if inner == "en" {
                    self.error(key, &format!("`{key}` is not in two languages"), &hint);
                }
            }
        }
        None
    }

    pub(crate) fn word<T>(&mut self, key: &str, known: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.required_text(key)?;
        let found = parse(text);
        if found.is_none() {
            let hint = match nearest(text, known.split(", ")) {
                Some(nearest) => format!("did you mean `{nearest}`? known here: {known}"),
                None => format!("known here: {known}"),
            };
            self.error(
                key,
                &format!("`{}` is not a word for `{key}`", text.escape_debug()),
                &hint,
            );
        }
        found
    }

    /// Whether `key` is true or false.
    pub(crate) fn is_flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.get_ref().as_bool().is_some())
    }

    pub(crate) fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(key, value, "true or false");
        }
        flag
    }

    pub(crate) fn number(&mut self, key: &str) -> Option<f64> {
        let value = self.get(key)?;
        let number = number_of(value.get_ref());
        if number.is_none() {
            self.wrong_type(key, value, "a finite number");
        }
        number
    }

    pub(crate) fn duration(&mut self, key: &str, max: Duration) -> Option<Duration> {
        let text = self.text(key)?;
        match parse_duration(text) {
            Ok(duration) if duration <= max => return Some(duration),
            Ok(_) => {
                let hint = format!("at most {}", format_duration(max));
                self.error(key, &format!("`{key}` is too long"), &hint);
            }
            Err(error) => self.error(key, &format!("`{key}`: {error}"), "write it like \"30s\""),
        }
        None
    }

    /// A text or a list of texts; nothing when the key is not there.
    pub(crate) fn texts(&mut self, key: &str) -> Vec<&'a str> {
        self.get(key).map(|value| self.texts_of(key, value)).unwrap_or_default()
    }

    fn texts_of(&mut self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Vec<&'a str> {
        let all = |array: &'a DeArray<'a>| array.iter().map(|value| value.get_ref().as_str()).collect();
        let texts: Option<Vec<&str>> = match value.get_ref() {
            DeValue::Array(array) => all(array),
            other => other.as_str().map(|text| vec![text]),
        };
        if texts.is_none() {
            self.wrong_type(key, value, "a text or a list of texts");
        }
        texts.unwrap_or_default()
    }

    /// A table of texts or lists of texts: key, where it stands, texts.
    pub(crate) fn table_of_texts(&mut self, key: &str) -> Vec<(&'a str, usize, Vec<&'a str>)> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(key, value, "a table such as { \"system.device\" = \"sd*\" }");
            return Vec::new();
        };
        let mut found = Vec::new();
        for (key, value) in table {
            let name: &'a str = key.get_ref().as_ref();
            if value.get_ref().is_table() {
                let hint = format!("put it in quotes: \"{name}.…\"");
                self.error_at(
                    key.span().start,
                    &format!("`{name}` is a table: dots split a bare key"),
                    &hint,
                );
            } else {
                found.push((name, key.span().start, self.texts_of(name, value)));
            }
        }
        found
    }
}
