//! Registers: sheets of customers, sites, contracts, assets, spare parts, knowledge; import, export, history.

use crate::{
    authority::Action,
    backend::Failure,
    duty::{self, field},
    guard::{Answer, Refusal, Visit, nothing, see_other},
    markup::Html,
    shell::{Shell, page},
    upload::{self, Sent},
};
use askama::Template;
use axum::{
    Form,
    extract::{Path, Request},
    response::Response,
};
use http::StatusCode;
use std::collections::{BTreeMap, HashMap};
use tocsin_desk::{
    duty::DutyAct,
    register::{
        self, Book, Column, Kind, Row,
        spare::{self, Stock, Used},
    },
};
use tocsin_sheets::Form as FileForm;
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

/// A spare that nobody has counted this month.
struct CountRow {
    id: String,
    name: String,
    count: String,
    counted_on: String,
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
    months: Vec<Used>,
    uncounted: Vec<CountRow>,
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

/// `POST /registers/{book}`: a sheet, as a file or as words.
pub(crate) async fn import(visit: Visit, Path(word): Path<String>, request: Request) -> Answer {
    let book = Book::parse(&word).ok_or_else(nothing)?;
    let sent = Sent::of(request).await?;
    let done = match sent.sheet() {
        Ok(sheet) => duty::act(&visit, DutyAct::ImportRegister { book, sheet }).await,
        Err(failure) => visit.require(Action::WriteRegisters).and(Err(failure)),
    };
    match done {
        Ok(_) => Ok(see_other(&format!("/registers/{}", book.as_str()))),
        Err(failure) => {
            upload::refused(failure, async |lines| {
                page(&view(&visit, book, sent.pasted(), lines).await?)
            })
            .await
        }
    }
}

/// `GET /registers/{book}/export.csv`.
pub(crate) async fn export_csv(visit: Visit, Path(word): Path<String>) -> Result<Response, Refusal> {
    export(&visit, &word, FileForm::Csv).await
}

/// `GET /registers/{book}/export.xlsx`.
pub(crate) async fn export_xlsx(visit: Visit, Path(word): Path<String>) -> Result<Response, Refusal> {
    export(&visit, &word, FileForm::Xlsx).await
}

async fn export(visit: &Visit, word: &str, form: FileForm) -> Result<Response, Refusal> {
    let book = Book::parse(word).ok_or_else(nothing)?;
    let rows = visit.console.backend.register(book).await?;
    let (columns, cells) = register::cells(book, &rows);
    upload::download(visit, form, book.as_str(), &columns, cells)
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

/// `POST /spares/count`: what is on the shelf today.
pub(crate) async fn count(visit: Visit, Form(fields): Form<HashMap<String, String>>) -> Answer {
    let act = DutyAct::CountSpare {
        spare: field(&fields, "spare").to_owned(),
        count: duty::number(&fields, "count")?,
    };
    match duty::act(&visit, act).await {
        Ok(_) => Ok(see_other("/registers/spares")),
        Err(failure) => {
            upload::refused(failure, async |lines| {
                page(&view(&visit, Book::Spares, String::new(), lines).await?)
            })
            .await
        }
    }
}

fn count_row(row: &Row) -> CountRow {
    CountRow {
        id: row.id.clone(),
        name: row.get("name").to_owned(),
        count: row.get("count").to_owned(),
        counted_on: row.get("counted_on").to_owned(),
    }
}

fn lines(failure: &Failure) -> Vec<String> {
    failure.reason.lines().map(str::to_owned).collect()
}

async fn find(visit: &Visit, book: Book, id: &str) -> Result<Row, Failure> {
    if id == "new" {
        // What the page that led here knows already.
        let known = book.columns().iter().filter_map(|column| {
            let value = visit.parameter(column.key)?;
            Some((column.key.to_owned(), value))
        });
        return Ok(Row {
            values: known.collect(),
            ..Row::default()
        });
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
    let (mut stock, mut use_rows, mut months, mut uncounted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    if book == Book::Spares {
        stock = spare::stock(&backend.register(Book::Assets).await?, &rows);
        let all = backend.spare_uses().await?;
        months = spare::monthly(&all);
        use_rows = uses(visit, &shell, all).await?;
        uncounted = spare::uncounted(&rows, visit.now).into_iter().map(count_row).collect();
    }
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
        uses: use_rows,
        may_write: visit.may(Action::WriteRegisters),
        may_manage: visit.may(Action::ManageDuty),
        months,
        uncounted,
        csv,
        error,
        shell,
    })
}

/// Uses of spares, those that wait first.
async fn uses(visit: &Visit, shell: &Shell, mut uses: Vec<spare::Use>) -> Result<Vec<UseRow>, Failure> {
    let people = visit.console.backend.people().await?;
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
