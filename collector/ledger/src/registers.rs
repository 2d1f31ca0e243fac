//! The registers as rows: what other tables need lies there, the rest as values by column, with every change.

use crate::{
    Ledger, LedgerError, audit, downtimes,
    engine::{Tx, commit},
    rosters::{json, next},
    statement::{Fields, Statement},
};
use sqlx::any::AnyRow;
use std::collections::BTreeMap;
use tocsin_desk::{
    record::AuditLine,
    register::{Book, Revision, Row, begins, differences, spare::Use},
};
use tocsin_vocabulary::{AssetId, IdSource, Timestamp};

/// Most changes of one row that are told.
const CHANGES_MAX: i64 = 500;
/// Most uses of spares that are told.
const USES_MAX: i64 = 500;

/// The columns that other tables have, under the keys of the register.
const fn core(book: Book) -> &'static str {
    match book {
        Book::Customers => "SELECT id, name FROM customer",
        Book::Sites => {
            "SELECT site.id AS id, site.name AS name, zone, customer.name AS customer
             FROM site JOIN customer ON customer.id = site.customer"
        }
        Book::Contracts => {
            "SELECT contract.id AS id, contract.name AS name, customer.name AS customer, policy, grade, service_hours
             FROM contract JOIN customer ON customer.id = contract.customer"
        }
        Book::Assets => {
            "SELECT asset.id AS id, asset.name AS name, customer.name AS customer, contract.name AS contract,
                    site.name AS site, importance
             FROM asset JOIN customer ON customer.id = asset.customer JOIN contract ON contract.id = asset.contract
                  JOIN site ON site.id = asset.site"
        }
        Book::Spares => "SELECT id FROM register_row WHERE book = 'spares'",
        Book::Knowledge => "SELECT id FROM register_row WHERE book = 'knowledge'",
    }
}

/// The order of a register, oldest first.
const fn order(book: Book) -> &'static str {
    match book {
        Book::Customers => "ORDER BY created_at, id",
        Book::Sites => "ORDER BY site.created_at, site.id",
        Book::Contracts => "ORDER BY contract.created_at, contract.id",
        Book::Assets => "ORDER BY asset.created_at, asset.id",
        Book::Spares | Book::Knowledge => "ORDER BY id",
    }
}

/// The condition that one row fulfils, by its id.
const fn one(book: Book) -> &'static str {
    match book {
        Book::Customers => "WHERE id = $1",
        Book::Sites => "WHERE site.id = $1",
        Book::Contracts => "WHERE contract.id = $1",
        Book::Assets => "WHERE asset.id = $1",
        Book::Spares | Book::Knowledge => "AND id = $1",
    }
}

/// The keys of those columns.
const fn core_keys(book: Book) -> &'static [&'static str] {
    match book {
        Book::Customers => &["name"],
        Book::Sites => &["name", "zone", "customer"],
        Book::Contracts => &["name", "customer", "policy", "grade", "service_hours"],
        Book::Assets => &["name", "customer", "contract", "site", "importance"],
        Book::Spares | Book::Knowledge => &[],
    }
}

impl Ledger {
    /// All rows of a register.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn register(&self, book: Book) -> Result<Vec<Row>, LedgerError> {
        const OPERATION: &str = "read a register";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = rows(&mut tx, OPERATION, book).await?;
        commit(tx, OPERATION).await?;
        Ok(rows)
    }

    /// One row of a register.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn register_row(&self, book: Book, id: &str) -> Result<Option<Row>, LedgerError> {
        const OPERATION: &str = "read a row of a register";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        const CELLS: &str = "SELECT id, cells, changed_at FROM register_row WHERE book = $1 AND id = $2";
        let cells = Statement::new(OPERATION, CELLS).text(book.as_str()).text(id);
        let cells = cells.rows(&mut tx).await?;
        let found = Statement::assembled(OPERATION, format!("{} {}", core(book), one(book))).text(id);
        let found = found.rows(&mut tx).await?;
        commit(tx, OPERATION).await?;
        Ok(joined(OPERATION, book, &cells, &found)?.pop())
    }

    /// Enters rows, all or none; rows without an id are new and get one. Each change goes into the history. Answers how
    /// many were new and how many were changed.
    ///
    /// # Errors
    /// `InvalidInput` when a row names a customer, contract or site that is not there; otherwise when the ledger can't be
    /// written.
    pub async fn put_register(
        &self,
        book: Book,
        new: Vec<Row>,
        ids: &mut IdSource,
        by: &str,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(usize, usize), LedgerError> {
        const OPERATION: &str = "write a register";
        let mut tx = self.engine.write(OPERATION).await?;
        let present = rows(&mut tx, OPERATION, book).await?;
        let (mut entered, mut changed) = (0, 0);
        for mut row in new {
            let before = present.iter().find(|old| !row.id.is_empty() && old.id == row.id);
            let differences = differences(book, before, &row);
            if differences.is_empty() {
                continue;
            }
            if before.is_some() {
                changed += 1;
            } else {
                row.id = AssetId::next(ids, now).to_string();
                entered += 1;
            }
            put_core(&mut tx, OPERATION, book, &row, before.is_none(), ids, now).await?;
            put_cells(&mut tx, OPERATION, book, &row, now).await?;
            if book == Book::Contracts
                && let Ok(contract) = row.id.parse()
            {
                downtimes::settle(&mut tx, OPERATION, contract, None, by, now).await?;
            }
            for (column, old, value) in differences {
                let seq = next(&mut tx, OPERATION, "register_change").await?;
                Statement::new(
                    OPERATION,
                    "INSERT INTO register_change (book, id, seq, at, by_whom, column_key, before, after)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                )
                .text(book.as_str())
                .text(&row.id)
                .count(seq)
                .time(now)
                .text(by)
                .text(column)
                .text(&old)
                .text(&value)
                .run(&mut tx)
                .await?;
            }
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await?;
        Ok((entered, changed))
    }

    /// The history of a row, newest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn register_changes(&self, book: Book, id: &str) -> Result<Vec<Revision>, LedgerError> {
        const OPERATION: &str = "read the history of a register";
        let rows = Statement::new(
            OPERATION,
            "SELECT at, by_whom, column_key, before, after FROM register_change WHERE book = $1 AND id = $2
             ORDER BY seq DESC LIMIT $3",
        )
        .text(book.as_str())
        .text(id)
        .integer(CHANGES_MAX)
        .rows(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        rows.iter()
            .map(|row| {
                let fields = Fields::new(OPERATION, row);
                Ok(Revision {
                    at: fields.time("at")?,
                    by: fields.text("by_whom")?,
                    column: fields.text("column_key")?,
                    before: fields.text("before")?,
                    after: fields.text("after")?,
                })
            })
            .collect()
    }

    /// Uses of spares, newest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn spare_uses(&self) -> Result<Vec<Use>, LedgerError> {
        const OPERATION: &str = "list uses of spares";
        let rows = Statement::new(
            OPERATION,
            "SELECT id, spare, name, count, ticket, asked_by, asked_at, answered_by, allowed FROM spare_use
             ORDER BY id DESC LIMIT $1",
        )
        .integer(USES_MAX)
        .rows(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        rows.iter().map(|row| spare_use(&Fields::new(OPERATION, row))).collect()
    }

    /// Asks to use a spare; the id is given here.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn ask_spare(&self, wanted: &Use, lines: &[AuditLine]) -> Result<u64, LedgerError> {
        const OPERATION: &str = "ask for a spare";
        let mut tx = self.engine.write(OPERATION).await?;
        let id = next(&mut tx, OPERATION, "spare_use").await?;
        Statement::new(
            OPERATION,
            "INSERT INTO spare_use (id, spare, name, count, ticket, asked_by, asked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .count(id)
        .text(&wanted.spare)
        .text(&wanted.name)
        .integer(wanted.count.into())
        .count(wanted.ticket)
        .text(&wanted.asked_by)
        .time(wanted.asked_at)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await?;
        Ok(id)
    }

    /// Allows or refuses the use of a spare; what is allowed leaves the stock.
    ///
    /// # Errors
    /// `NotFound` when no such question waits, `Conflict` when there are not so many; otherwise when the ledger can't be
    /// written.
    pub async fn answer_spare(
        &self,
        id: u64,
        allowed: bool,
        by: &str,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "answer for a spare";
        let mut tx = self.engine.write(OPERATION).await?;
        let row = Statement::new(
            OPERATION,
            "UPDATE spare_use SET allowed = $2, answered_by = $3 WHERE id = $1 AND allowed IS NULL
             RETURNING spare, count",
        )
        .count(id)
        .flag(allowed)
        .text(by)
        .row(&mut tx)
        .await?;
        let row = row.ok_or_else(|| LedgerError::NotFound {
            operation: OPERATION,
            what: format!("question {id} for a spare that waits"),
        })?;
        let fields = Fields::new(OPERATION, &row);
        let (spare, count): (String, u64) = (fields.text("spare")?, fields.number("count")?);
        if allowed {
            let spares = rows(&mut tx, OPERATION, Book::Spares).await?;
            let mut row = spares
                .into_iter()
                .find(|row| row.id == spare)
                .ok_or_else(|| LedgerError::NotFound {
                    operation: OPERATION,
                    what: "spare".to_owned(),
                })?;
            let held: u64 = row.get("count").parse().unwrap_or(0);
            let left = held.checked_sub(count).ok_or_else(|| LedgerError::Conflict {
                operation: OPERATION,
                what: format!("`{}` has {held} left, {count} are wanted", row.get("name")),
            })?;
            row.values.insert("count".to_owned(), left.to_string());
            put_cells(&mut tx, OPERATION, Book::Spares, &row, now).await?;
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }
}

fn spare_use(fields: &Fields<'_>) -> Result<Use, LedgerError> {
    Ok(Use {
        id: fields.number("id")?,
        spare: fields.text("spare")?,
        name: fields.text("name")?,
        count: fields.number("count")?,
        ticket: fields.number("ticket")?,
        asked_by: fields.text("asked_by")?,
        asked_at: fields.time("asked_at")?,
        answered_by: fields.maybe_text("answered_by")?,
        allowed: fields.maybe_number::<i64>("allowed")?.map(|allowed| allowed != 0),
    })
}

pub(crate) async fn rows(tx: &mut Tx, operation: &'static str, book: Book) -> Result<Vec<Row>, LedgerError> {
    const CELLS: &str = "SELECT id, cells, changed_at FROM register_row WHERE book = $1";
    let cells = Statement::new(operation, CELLS).text(book.as_str()).rows(tx).await?;
    let found = Statement::assembled(operation, format!("{} {}", core(book), order(book)));
    joined(operation, book, &cells, &found.rows(tx).await?)
}

/// The rows of other tables, each with its cells.
fn joined(operation: &'static str, book: Book, cells: &[AnyRow], found: &[AnyRow]) -> Result<Vec<Row>, LedgerError> {
    let mut by_id: BTreeMap<String, (BTreeMap<String, String>, Timestamp)> = BTreeMap::new();
    for row in cells {
        let fields = Fields::new(operation, row);
        by_id.insert(fields.text("id")?, (fields.json("cells")?, fields.time("changed_at")?));
    }
    let mut rows = Vec::with_capacity(found.len());
    for row in found {
        let fields = Fields::new(operation, row);
        let id = fields.text("id")?;
        let (mut values, changed_at) = match by_id.remove(&id) {
            Some((values, at)) => (values, Some(at)),
            None => (BTreeMap::new(), None),
        };
        for key in core_keys(book) {
            values.insert((*key).to_owned(), fields.text(key)?);
        }
        rows.push(Row { id, values, changed_at });
    }
    Ok(rows)
}

async fn put_cells(
    tx: &mut Tx,
    operation: &'static str,
    book: Book,
    row: &Row,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let keys = core_keys(book);
    let cells: BTreeMap<&String, &String> = row
        .values
        .iter()
        .filter(|(key, _)| !keys.contains(&key.as_str()))
        .collect();
    Statement::new(
        operation,
        "INSERT INTO register_row (book, id, cells, changed_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (book, id) DO UPDATE SET cells = excluded.cells, changed_at = excluded.changed_at",
    )
    .text(book.as_str())
    .text(&row.id)
    .text(&json(operation, &cells)?)
    .time(now)
    .run(tx)
    .await?;
    Ok(())
}

/// What other tables need of a row.
async fn put_core(
    tx: &mut Tx,
    operation: &'static str,
    book: Book,
    row: &Row,
    new: bool,
    ids: &mut IdSource,
    now: Timestamp,
) -> Result<(), LedgerError> {
    match book {
        Book::Spares | Book::Knowledge => return Ok(()),
        Book::Customers => return put_customer(tx, operation, row, new, ids, now).await,
        Book::Sites | Book::Contracts | Book::Assets => {}
    }
    let customer = find(tx, operation, Of::Customer, row.get("customer"), "").await?;
    match book {
        Book::Sites => {
            let sql = if new {
                "INSERT INTO site (id, name, customer, zone, created_at) VALUES ($1, $2, $3, $4, $5)"
            } else {
                "UPDATE site SET name = $2, customer = $3, zone = $4 WHERE id = $1 AND created_at <= $5"
            };
            let statement = Statement::new(operation, sql).text(&row.id).text(row.get("name"));
            statement
                .text(&customer)
                .text(row.get("zone"))
                .time(now)
                .run(tx)
                .await?;
        }
        Book::Contracts => {
            let sql = if new {
                "INSERT INTO contract (id, name, customer, policy, grade, service_hours, starts_at, ends_at, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
            } else {
                "UPDATE contract SET name = $2, customer = $3, policy = $4, grade = $5, service_hours = $6,
                     starts_at = $7, ends_at = $8 WHERE id = $1 AND created_at <= $9"
            };
            Statement::new(operation, sql)
                .text(&row.id)
                .text(row.get("name"))
                .text(&customer)
                .text(row.get("policy"))
                .text(row.get("grade"))
                .text(row.get("service_hours"))
                .maybe_time(begins(row.get("starts_on")))
                .maybe_time(begins(row.get("ends_on")))
                .time(now)
                .run(tx)
                .await?;
        }
        _ => {
            let contract = find(tx, operation, Of::Contract, row.get("contract"), &customer).await?;
            let site = find(tx, operation, Of::Site, row.get("site"), &customer).await?;
            let sql = if new {
                "INSERT INTO asset (id, name, customer, contract, site, importance, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)"
            } else {
                "UPDATE asset SET name = $2, customer = $3, contract = $4, site = $5, importance = $6
                 WHERE id = $1 AND created_at <= $7"
            };
            let statement = Statement::new(operation, sql).text(&row.id).text(row.get("name"));
            let statement = statement.text(&customer).text(&contract).text(&site);
            statement.text(row.get("importance")).time(now).run(tx).await?;
        }
    }
    Ok(())
}

/// A new customer has a site and a contract of its name, so that its hosts can be enrolled.
async fn put_customer(
    tx: &mut Tx,
    operation: &'static str,
    row: &Row,
    new: bool,
    ids: &mut IdSource,
    now: Timestamp,
) -> Result<(), LedgerError> {
    if !new {
        Statement::new(operation, "UPDATE customer SET name = $2 WHERE id = $1")
            .text(&row.id)
            .text(row.get("name"))
            .run(tx)
            .await?;
        return Ok(());
    }
    Statement::new(
        operation,
        "INSERT INTO customer (id, name, created_at) VALUES ($1, $2, $3)",
    )
    .text(&row.id)
    .text(row.get("name"))
    .time(now)
    .run(tx)
    .await?;
    for sql in [
        "INSERT INTO site (id, customer, name, zone, created_at) VALUES ($1, $2, $3, 'Asia/Shanghai', $4)",
        "INSERT INTO contract (id, customer, name, policy, grade, service_hours, created_at)
         VALUES ($1, $2, $3, 'basic', 'standard', '7x24', $4)",
    ] {
        let id = AssetId::next(ids, now);
        let statement = Statement::new(operation, sql).id(id).text(&row.id);
        statement.text(row.get("name")).time(now).run(tx).await?;
    }
    Ok(())
}

/// What a row refers to by name.
#[derive(Clone, Copy)]
enum Of {
    Customer,
    Contract,
    Site,
}

/// The id of what a row names; of a contract or site that it does not name the customer's oldest.
async fn find(tx: &mut Tx, operation: &'static str, of: Of, name: &str, customer: &str) -> Result<String, LedgerError> {
    let sql = match (of, name.is_empty()) {
        (Of::Customer, _) => "SELECT id FROM customer WHERE name = $1 AND $2 = '' ORDER BY created_at, id LIMIT 1",
        (Of::Contract, false) => {
            "SELECT id FROM contract WHERE name = $1 AND customer = $2 ORDER BY created_at, id LIMIT 1"
        }
        (Of::Site, false) => "SELECT id FROM site WHERE name = $1 AND customer = $2 ORDER BY created_at, id LIMIT 1",
        (Of::Contract, true) => {
            "SELECT id FROM contract WHERE $1 = '' AND customer = $2 ORDER BY created_at, id LIMIT 1"
        }
        (Of::Site, true) => "SELECT id FROM site WHERE $1 = '' AND customer = $2 ORDER BY created_at, id LIMIT 1",
    };
    let row = Statement::new(operation, sql).text(name).text(customer).row(tx).await?;
    let word = match of {
        Of::Customer => "customer",
        Of::Contract => "contract",
        Of::Site => "site",
    };
    let row = row.ok_or_else(|| LedgerError::Invalid {
        operation,
        what: format!("there is no {word} `{name}` that fits"),
    })?;
    Fields::new(operation, &row).text("id")
}
