//! Statements and rows: what is bound to a `$n`, and what a column means.
//!
//! Text that people or hosts wrote may hold NUL, which PostgreSQL refuses; U+FFFD stands for it in both engines, so
//! that no hostile name can keep a ticket from being written.

use crate::LedgerError;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row as _, any::AnyArguments, any::AnyRow, query::Query};
use std::{borrow::Cow, fmt::Display, str::FromStr};
use tocsin_vocabulary::{Text, Timestamp};

/// One statement with its values, in the order of `$1`, `$2`, …
pub(crate) struct Statement {
    operation: &'static str,
    query: Query<'static, Any, AnyArguments>,
}

impl Statement {
    /// A statement whose text is ours from beginning to end; `operation` is what errors call it.
    pub(crate) fn new(operation: &'static str, sql: &'static str) -> Self {
        Self {
            operation,
            query: sqlx::query(sql),
        }
    }

    /// A statement put together from our own words and numbers of placeholders, never from values.
    pub(crate) fn assembled(operation: &'static str, sql: String) -> Self {
        Self {
            operation,
            query: sqlx::query(AssertSqlSafe(sql)),
        }
    }

    fn bind(self, value: Value) -> Self {
        let query = match value {
            Value::Text(text) => self.query.bind(text),
            Value::Integer(integer) => self.query.bind(integer),
        };
        Self { query, ..self }
    }

    /// Words, with U+FFFD for NUL.
    pub(crate) fn text(self, words: &str) -> Self {
        self.bind(Value::Text(clean(words).into_owned()))
    }

    /// Words, or NULL.
    pub(crate) fn maybe_text(self, words: Option<&str>) -> Self {
        Self {
            query: self.query.bind(words.map(|words| clean(words).into_owned())),
            ..self
        }
    }

    /// English, then Chinese.
    pub(crate) fn sentence(self, sentence: &Text) -> Self {
        self.text(&sentence.en).text(&sentence.zh)
    }

    /// An identifier.
    pub(crate) fn id(self, id: impl Display) -> Self {
        self.bind(Value::Text(id.to_string()))
    }

    /// An identifier, or NULL.
    pub(crate) fn maybe_id(self, id: Option<impl Display>) -> Self {
        Self {
            query: self.query.bind(id.map(|id| id.to_string())),
            ..self
        }
    }

    /// A whole number.
    pub(crate) fn integer(self, integer: i64) -> Self {
        self.bind(Value::Integer(integer))
    }

    /// A number of things; beyond 63 bits it saturates.
    pub(crate) fn count(self, count: u64) -> Self {
        self.integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// A number of things, or NULL.
    pub(crate) fn maybe_count(self, count: Option<u64>) -> Self {
        let count = count.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        Self {
            query: self.query.bind(count),
            ..self
        }
    }

    /// Bytes as they are.
    pub(crate) fn bytes(self, bytes: Vec<u8>) -> Self {
        Self {
            query: self.query.bind(bytes),
            ..self
        }
    }

    /// 0 or 1.
    pub(crate) fn flag(self, flag: bool) -> Self {
        self.integer(i64::from(flag))
    }

    /// An instant.
    pub(crate) fn time(self, time: Timestamp) -> Self {
        self.integer(time.as_millis())
    }

    /// An instant, or NULL.
    pub(crate) fn maybe_time(self, time: Option<Timestamp>) -> Self {
        Self {
            query: self.query.bind(time.map(Timestamp::as_millis)),
            ..self
        }
    }

    /// A measured value. What is not a number is NULL, for SQLite knows no NaN.
    pub(crate) fn maybe_real(self, real: Option<f64>) -> Self {
        Self {
            query: self.query.bind(real.filter(|real| !real.is_nan())),
            ..self
        }
    }

    /// Runs it; answers how many rows it touched.
    pub(crate) async fn run(self, connection: &mut AnyConnection) -> Result<u64, LedgerError> {
        let done = self
            .query
            .execute(connection)
            .await
            .map_err(|source| LedgerError::of(self.operation, source))?;
        Ok(done.rows_affected())
    }

    /// Its rows.
    pub(crate) async fn rows(self, connection: &mut AnyConnection) -> Result<Vec<AnyRow>, LedgerError> {
        self.query
            .fetch_all(connection)
            .await
            .map_err(|source| LedgerError::of(self.operation, source))
    }

    /// Its row, if there is one. Reads to the end, so that a statement that writes is finished too.
    pub(crate) async fn row(self, connection: &mut AnyConnection) -> Result<Option<AnyRow>, LedgerError> {
        Ok(self.rows(connection).await?.into_iter().next())
    }

    /// Every row as `read` makes it.
    pub(crate) async fn all<T>(
        self,
        connection: &mut AnyConnection,
        read: impl Fn(&Fields<'_>) -> Result<T, LedgerError>,
    ) -> Result<Vec<T>, LedgerError> {
        let operation = self.operation;
        let rows = self.rows(connection).await?;
        rows.iter().map(|row| read(&Fields::new(operation, row))).collect()
    }

    /// Its row as `read` makes it, if there is one.
    pub(crate) async fn one<T>(
        self,
        connection: &mut AnyConnection,
        read: impl Fn(&Fields<'_>) -> Result<T, LedgerError>,
    ) -> Result<Option<T>, LedgerError> {
        let operation = self.operation;
        let row = self.row(connection).await?;
        row.map(|row| read(&Fields::new(operation, &row))).transpose()
    }
}

/// A value that a condition compares with.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
}

/// Conditions joined by AND, with the values of their placeholders: the changing half of a list's statement.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds one condition; each `?` in it becomes the placeholder of one value.
    pub(crate) fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        let mut values = values.into_iter();
        for character in condition.chars() {
            match (character, if character == '?' { values.next() } else { None }) {
                ('?', Some(value)) => {
                    self.values.push(value);
                    self.sql.push('$');
                    self.sql.push_str(&self.values.len().to_string());
                }
                _ => self.sql.push(character),
            }
        }
    }

    /// Adds `column = value` when there is a value.
    pub(crate) fn equal(&mut self, column: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.and(&format!("{column} = ?"), [Value::Text(value.to_string())]);
        }
    }

    /// The statement `head WHERE … tail LIMIT limit`.
    pub(crate) fn statement(self, operation: &'static str, head: &str, tail: &str, limit: i64) -> Statement {
        self.page(operation, head, tail, limit, 0)
    }

    /// The statement `head WHERE … tail LIMIT limit OFFSET offset`.
    pub(crate) fn page(self, operation: &'static str, head: &str, tail: &str, limit: i64, offset: i64) -> Statement {
        let sql = format!("{head}{} {tail} LIMIT {limit} OFFSET {offset}", self.sql);
        self.values
            .into_iter()
            .fold(Statement::assembled(operation, sql), Statement::bind)
    }
}

/// Words as both engines can keep them.
pub(crate) fn clean(words: &str) -> Cow<'_, str> {
    if words.contains('\0') {
        Cow::Owned(words.replace('\0', "\u{FFFD}"))
    } else {
        Cow::Borrowed(words)
    }
}

/// One row and what it is read for.
pub(crate) struct Fields<'r> {
    operation: &'static str,
    row: &'r AnyRow,
}

impl<'r> Fields<'r> {
    pub(crate) const fn new(operation: &'static str, row: &'r AnyRow) -> Self {
        Self { operation, row }
    }

    fn get<T>(&self, column: &'static str) -> Result<T, LedgerError>
    where
        T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
    {
        self.row
            .try_get(column)
            .map_err(|source| LedgerError::of(self.operation, source))
    }

    /// An error that says what a column holds.
    pub(crate) fn strange(&self, column: &'static str, what: impl Display) -> LedgerError {
        LedgerError::Row {
            operation: self.operation,
            column,
            what: what.to_string(),
        }
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, LedgerError> {
        self.get(column)
    }

    pub(crate) fn maybe_text(&self, column: &'static str) -> Result<Option<String>, LedgerError> {
        self.get(column)
    }

    /// What a column holds as JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, LedgerError> {
        serde_json::from_str(&self.text(column)?).map_err(|error| self.strange(column, error))
    }

    pub(crate) fn bytes(&self, column: &'static str) -> Result<Vec<u8>, LedgerError> {
        self.get(column)
    }

    pub(crate) fn sentence(&self, en: &'static str, zh: &'static str) -> Result<Text, LedgerError> {
        Ok(Text {
            en: self.text(en)?,
            zh: self.text(zh)?,
        })
    }

    pub(crate) fn integer(&self, column: &'static str) -> Result<i64, LedgerError> {
        self.get(column)
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool, LedgerError> {
        Ok(self.integer(column)? != 0)
    }

    /// A whole number that fits the wanted type.
    pub(crate) fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, LedgerError> {
        let integer = self.integer(column)?;
        T::try_from(integer).map_err(|_| self.strange(column, integer))
    }

    pub(crate) fn maybe_number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<Option<T>, LedgerError> {
        let integer: Option<i64> = self.get(column)?;
        integer
            .map(|integer| T::try_from(integer).map_err(|_| self.strange(column, integer)))
            .transpose()
    }

    pub(crate) fn maybe_real(&self, column: &'static str) -> Result<Option<f64>, LedgerError> {
        self.get(column)
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp, LedgerError> {
        self.integer(column).map(Timestamp::from_millis)
    }

    pub(crate) fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>, LedgerError> {
        let millis: Option<i64> = self.get(column)?;
        Ok(millis.map(Timestamp::from_millis))
    }

    /// An identifier or a word of a closed list.
    pub(crate) fn parsed<T>(&self, column: &'static str) -> Result<T, LedgerError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.text(column)?.parse().map_err(|error| self.strange(column, error))
    }

    pub(crate) fn maybe_parsed<T>(&self, column: &'static str) -> Result<Option<T>, LedgerError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.maybe_text(column)?
            .map(|text| text.parse().map_err(|error| self.strange(column, error)))
            .transpose()
    }

    /// A word of a closed list that `parse` knows.
    pub(crate) fn word<T>(&self, column: &'static str, parse: fn(&str) -> Option<T>) -> Result<T, LedgerError> {
        let word = self.text(column)?;
        parse(&word).ok_or_else(|| self.strange(column, &word))
    }

    pub(crate) fn maybe_word<T>(
        &self,
        column: &'static str,
        parse: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, LedgerError> {
        self.maybe_text(column)?
            .map(|word| parse(&word).ok_or_else(|| self.strange(column, &word)))
            .transpose()
    }
}

/// One whole number of a row.
pub(crate) fn integer(operation: &'static str, row: &AnyRow, column: &'static str) -> Result<i64, LedgerError> {
    Fields::new(operation, row).integer(column)
}

/// One text of a row.
pub(crate) fn text(operation: &'static str, row: &AnyRow, column: &'static str) -> Result<String, LedgerError> {
    Fields::new(operation, row).text(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_number_their_placeholders() {
        let mut conditions = Conditions::default();
        conditions.equal("host", Some("h"));
        conditions.equal("customer", None::<&str>);
        conditions.and("(level, number) > (?, ?)", [Value::Integer(1), Value::Integer(2)]);
        assert_eq!(conditions.sql, " WHERE host = $1 AND (level, number) > ($2, $3)");
        assert_eq!(conditions.values.len(), 3);
    }

    #[test]
    fn nul_is_replaced() {
        assert_eq!(clean("a\0b"), "a\u{FFFD}b");
        assert_eq!(clean("正常"), "正常");
    }
}
