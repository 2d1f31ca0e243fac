//! Registers: sheets of customers, sites, contracts, assets, spare parts, knowledge; import, export, history.

use crate::{
    authority::Action,
    backend::Failure,
    duty::{self, field},
    guard::{Answer, Refusal, Visit, nothing, see_other},
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use axum::{
    Form,
    extract::Path,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};
use std::collections::{BTreeMap, HashMap};
use tocsin_desk::{
    duty::DutyAct,
    register::{
        Book, Column, Kind, Row, sheet,
        spare::{self, Stock},
    },
};
use tocsin_vocabulary::Code;

/// Rows of one page; the rest is found by searching.
const ROWS_MAX: usize = 500;

struct Choice {
    url: String,
    name: String,
    chosen: bool,
}

struct Line {
    url: String,
    cells: Vec<String>,
}

struct UseRow {
    id: u64,
    words: String,
    state: String,
    waits: bool,
}

#[derive(Template)]
#[template(path = "registers.html")]
struct RegisterPage {
    shell: Shell,
    book: &'static str,
    title: String,
    choices: Vec<Choice>,
    columns: Vec<String>,
    rows: Vec<Line>,
    total: usize,
    wanted: String,
    stock: Vec<Stock>,
    uses: Vec<UseRow>,
    may_write: bool,
    may_manage: bool,
    csv: String,
    error: Vec<String>,
}

struct Field {
    key: &'static str,
    label: String,
    value: String,
    options: Vec<(String, String)>,
    long: bool,
    day: bool,
    needed: bool,
}

struct ChangeLine {
    at: Html,
    by: String,
    column: String,
    before: String,
    after: String,
}

#[derive(Template)]
#[template(path = "register_row.html")]
struct RowPage {
    shell: Shell,
    book: &'static str,
    title: String,
    url: String,
    name: String,
    fields: Vec<Field>,
    history: Vec<ChangeLine>,
    may_write: bool,
    error: Vec<String>,
}

/// `GET /registers/{book}?q=`.
pub(crate) async fn list(visit: Visit, Path(word): Path<String>) -> Answer {
    let book = Book::parse(&word).ok_or_else(nothing)?;
    page(&view(&visit, book, String::new(), Vec::new()).await?)
}

/// `POST /registers/{book}`: a sheet.
pub(crate) async fn import(
    visit: Visit,
    Path(word): Path<String>,
    Form(fields): Form<HashMap<String, String>>,
) -> Answer {
    let book = Book::parse(&word).ok_or_else(nothing)?;
    let csv = fields.get("csv").cloned().unwrap_or_default();
    let act = DutyAct::ImportRegister { book, csv: csv.clone() };
    match duty::act(&visit, act).await {
        Ok(_) => Ok(see_other(&format!("/registers/{}", book.as_str()))),
        Err(failure) if matches!(failure.code, Code::Internal | Code::Forbidden) => Err(failure.into()),
        Err(failure) => {
            let mut response = page(&view(&visit, book, csv, lines(&failure)).await?)?;
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
    }
}

/// `GET /registers/{book}/export.csv`.
pub(crate) async fn export(visit: Visit, Path(word): Path<String>) -> Result<Response, Refusal> {
    let book = Book::parse(&word).ok_or_else(nothing)?;
    let rows = visit.console.backend.register(book).await?;
    let columns: Vec<&str> = book.columns().iter().map(|column| column.key).collect();
    let cells = rows
        .iter()
        .map(|row| columns.iter().map(|key| row.get(key).to_owned()).collect());
    let text = sheet::write(&columns, cells);
    let name = format!("attachment; filename=\"{}.csv\"", book.as_str());
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, text).into_response())
}

/// `GET /registers/{book}/{id}`; id `new` for a new row.
pub(crate) async fn row(visit: Visit, Path((word, id)): Path<(String, String)>) -> Answer {
    let book = Book::parse(&word).ok_or_else(nothing)?;
    let row = find(&visit, book, &id).await?;
    page(&row_view(&visit, book, &row, Vec::new()).await?)
}

/// `POST /registers/{book}/{id}`.
pub(crate) async fn put(
    visit: Visit,
    Path((word, id)): Path<(String, String)>,
    Form(fields): Form<HashMap<String, String>>,
) -> Answer {
    let book = Book::parse(&word).ok_or_else(nothing)?;
    let mut row = find(&visit, book, &id).await?;
    for column in book.columns() {
        if let Some(value) = fields.get(column.key) {
            row.values.insert(column.key.to_owned(), value.trim().to_owned());
        }
    }
    let values: BTreeMap<String, String> = row.values.clone();
    match duty::act(&visit, DutyAct::PutRow { book, values }).await {
        Ok(_) => Ok(see_other(&format!("/registers/{}", book.as_str()))),
        Err(failure) if matches!(failure.code, Code::Internal | Code::Forbidden) => Err(failure.into()),
        Err(failure) => {
            let mut response = page(&row_view(&visit, book, &row, lines(&failure)).await?)?;
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
    }
}

/// `POST /spares/answer`.
pub(crate) async fn answer(visit: Visit, Form(fields): Form<HashMap<String, String>>) -> Answer {
    let act = DutyAct::AnswerSpare {
        id: duty::number(&fields, "id")?,
        allowed: field(&fields, "allow") == "yes",
    };
    match duty::act(&visit, act).await {
        Ok(_) => Ok(see_other("/registers/spares")),
        Err(failure) if matches!(failure.code, Code::Internal | Code::Forbidden) => Err(failure.into()),
        Err(failure) => {
            let mut response = page(&view(&visit, Book::Spares, String::new(), lines(&failure)).await?)?;
            *response.status_mut() = StatusCode::CONFLICT;
            Ok(response)
        }
    }
}

fn lines(failure: &Failure) -> Vec<String> {
    failure.reason.lines().map(str::to_owned).collect()
}

async fn find(visit: &Visit, book: Book, id: &str) -> Result<Row, Failure> {
    if id == "new" {
        return Ok(Row::default());
    }
    let rows = visit.console.backend.register(book).await?;
    rows.into_iter().find(|row| row.id == id).ok_or_else(nothing)
}

/// The columns that a list shows: those that tell rows apart and find them.
fn shown(book: Book) -> Vec<&'static Column> {
    let hidden = [
        "note",
        "text",
        "address",
        "zone",
        "contact",
        "phone",
        "starts_on",
        "warranty",
        "supervision",
    ];
    let columns = book.columns().iter();
    columns.filter(|column| !hidden.contains(&column.key)).collect()
}

async fn view(visit: &Visit, book: Book, csv: String, error: Vec<String>) -> Result<RegisterPage, Failure> {
    let shell = Shell::new(visit, "registers");
    let backend = &visit.console.backend;
    let rows = backend.register(book).await?;
    let wanted = visit.parameter("q").unwrap_or_default();
    let needle = wanted.trim().to_lowercase();
    let fits =
        |row: &&Row| needle.is_empty() || row.values.values().any(|value| value.to_lowercase().contains(&needle));
    let (stock, uses) = if book == Book::Spares {
        let stock = spare::stock(&backend.register(Book::Assets).await?, &rows);
        (stock, uses(visit, &shell).await?)
    } else {
        (Vec::new(), Vec::new())
    };
    let columns = shown(book);
    let lines = rows.iter().filter(fits).take(ROWS_MAX).map(|row| Line {
        url: format!("/registers/{}/{}", book.as_str(), row.id),
        cells: columns
            .iter()
            .map(|column| cell(&shell, column, row.get(column.key)))
            .collect(),
    });
    let lines: Vec<Line> = lines.collect();
    let choices = Book::ALL.map(|other| Choice {
        url: format!("/registers/{}", other.as_str()),
        name: shell.word("book", other.as_str()),
        chosen: other == book,
    });
    Ok(RegisterPage {
        book: book.as_str(),
        title: shell.word("book", book.as_str()),
        choices: choices.into_iter().collect(),
        columns: columns.iter().map(|column| shell.word("column", column.key)).collect(),
        rows: lines,
        total: rows.len(),
        wanted,
        stock,
        uses,
        may_write: visit.may(Action::WriteRegisters),
        may_manage: visit.may(Action::ManageDuty),
        csv,
        error,
        shell,
    })
}

/// Uses of spares, those that wait first.
async fn uses(visit: &Visit, shell: &Shell) -> Result<Vec<UseRow>, Failure> {
    let people = visit.console.backend.people().await?;
    let mut uses = visit.console.backend.spare_uses().await?;
    uses.sort_by_key(|one| (one.allowed.is_some(), u64::MAX - one.id));
    let row = |one: spare::Use| {
        let asker = duty::name_of(&people, &one.asked_by);
        let (ticket, count, when) = (one.ticket, one.count, shell.short(one.asked_at));
        let state = match one.allowed {
            None => "waits",
            Some(true) => "allowed",
            Some(false) => "refused",
        };
        UseRow {
            id: one.id,
            words: format!("#{ticket} · {} × {count} · {asker} · {when}", one.name),
            state: shell.word("spare", state),
            waits: one.allowed.is_none(),
        }
    };
    Ok(uses.into_iter().take(ROWS_MAX).map(row).collect())
}

/// A value as people read it.
fn cell(shell: &Shell, column: &Column, value: &str) -> String {
    match column.kind {
        Kind::OneOf(_) if !value.is_empty() => shell.word("choice", value),
        _ => value.to_owned(),
    }
}

async fn row_view(visit: &Visit, book: Book, row: &Row, error: Vec<String>) -> Result<RowPage, Failure> {
    let shell = Shell::new(visit, "registers");
    let backend = &visit.console.backend;
    let mut fields = Vec::new();
    for column in book.columns() {
        let mut options: Vec<(String, String)> = match column.kind {
            Kind::OneOf(words) => words
                .iter()
                .map(|word| ((*word).to_owned(), shell.word("choice", word)))
                .collect(),
            Kind::Of(other) | Kind::MaybeOf(other) => {
                let rows = backend.register(other).await?;
                rows.iter()
                    .map(|row| (row.get("name").to_owned(), row.get("name").to_owned()))
                    .collect()
            }
            _ => Vec::new(),
        };
        if matches!(column.kind, Kind::MaybeOf(_)) {
            options.insert(0, (String::new(), "–".to_owned()));
        }
        options.dedup();
        fields.push(Field {
            key: column.key,
            label: shell.word("column", column.key),
            value: row.get(column.key).to_owned(),
            options,
            long: matches!(column.key, "text" | "note"),
            day: column.kind == Kind::Day,
            needed: matches!(column.kind, Kind::Name | Kind::Of(_)),
        });
    }
    let history = if row.id.is_empty() {
        Vec::new()
    } else {
        backend.register_changes(book, &row.id).await?
    };
    let id = if row.id.is_empty() { "new" } else { &row.id };
    Ok(RowPage {
        book: book.as_str(),
        title: shell.word("book", book.as_str()),
        url: format!("/registers/{}/{id}", book.as_str()),
        name: row.get("name").to_owned(),
        fields,
        history: history
            .into_iter()
            .map(|change| ChangeLine {
                at: shell.exact(change.at),
                by: change.by,
                column: shell.word("column", &change.column),
                before: change.before,
                after: change.after,
            })
            .collect(),
        may_write: visit.may(Action::WriteRegisters),
        error,
        shell,
    })
}
