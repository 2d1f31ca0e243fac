//! Registers: sheets and rows in, spares out.

use super::{Room, done, failed, mistaken, wrong};
use std::collections::BTreeSet;
use tocsin_console::backend::Failure;
use tocsin_desk::{
    duty::{Doer, Done, DutyAct},
    register::{
        Book, Row,
        check::{self, Known},
        promise::Promises,
        spare::{self, Use},
    },
};
use tocsin_vocabulary::Code;

impl Room {
    pub(super) async fn of_registers(&self, by: &Doer, act: DutyAct) -> Result<Done, Failure> {
        let action = act.as_str();
        match act {
            DutyAct::ImportRegister { book, sheet } => {
                let rows = check::rows(book, &sheet, &self.known(book).await?, Promises::from(&self.book));
                self.put(by, action, book, rows.map_err(|mistakes| mistaken(&mistakes))?)
                    .await
            }
            DutyAct::PutRow { book, values } => {
                let row = check::row(book, &values, &self.known(book).await?, Promises::from(&self.book));
                self.put(by, action, book, vec![row.map_err(|mistakes| mistaken(&mistakes))?])
                    .await
            }
            DutyAct::AskSpare { spare, count, ticket } => self.ask_spare(by, action, &spare, count, ticket).await,
            DutyAct::AnswerSpare { id, allowed } => {
                let word = if allowed { "allowed" } else { "refused" };
                let line = self.line(by, action, &id.to_string(), word);
                self.ledger
                    .answer_spare(id, allowed, &by.login, self.now(), &[line])
                    .await
                    .map_err(failed)?;
                Ok(done(format!("the use of spare {id} is {word}")))
            }
            DutyAct::CountSpare { spare, count } => self.count_spare(by, action, &spare, count).await,
            _ => Err(wrong("this is no matter of registers")),
        }
    }

    /// The registers that a row of this one may name.
    async fn known(&self, book: Book) -> Result<Known, Failure> {
        let wanted: &[Book] = match book {
            Book::Assets => &[Book::Customers, Book::Contracts, Book::Sites, Book::Assets],
            Book::Sites => &[Book::Customers, Book::Sites],
            Book::Contracts => &[Book::Customers, Book::Contracts],
            Book::Customers => &[Book::Customers],
            Book::Spares => &[Book::Spares],
            Book::Knowledge => &[Book::Knowledge],
        };
        let mut known = Known::new();
        for &book in wanted {
            known.insert(book, self.ledger.register(book).await.map_err(failed)?);
        }
        Ok(known)
    }

    async fn put(&self, by: &Doer, action: &str, book: Book, rows: Vec<Row>) -> Result<Done, Failure> {
        let ids: BTreeSet<String> = rows.iter().map(|row| row.id.clone()).collect();
        let detail = format!("{} rows", rows.len());
        let line = self.line(by, action, book.as_str(), &detail);
        let mut names = self.new_ids();
        let (entered, changed) = self
            .ledger
            .put_register(book, rows, &mut names, &by.login, self.now(), &[line])
            .await
            .map_err(failed)?;
        if book == Book::Assets {
            // The desk knows hosts by what the register says of their assets.
            for host in self.ledger.hosts().await.map_err(failed)? {
                if ids.contains(&host.asset.to_string()) {
                    self.engine.host_changed(host).await;
                }
            }
        }
        if book == Book::Contracts {
            // The desk counts by what the register says of contracts.
            self.tell_desk().await;
        }
        Ok(done(format!("{}: {entered} new, {changed} changed", book.as_str())))
    }

    async fn spare(&self, spare: &str) -> Result<Row, Failure> {
        let spares = self.ledger.register(Book::Spares).await.map_err(failed)?;
        let found = spares
            .into_iter()
            .find(|row| row.id == spare || row.get("name") == spare);
        found.ok_or_else(|| Failure::new(Code::NotFound, format!("there is no spare `{spare}`")))
    }

    /// What is on the shelf is what the register says from now on; its history keeps what it said before.
    async fn count_spare(&self, by: &Doer, action: &str, spare: &str, count: u32) -> Result<Done, Failure> {
        let mut row = self.spare(spare).await?;
        let (name, before) = (row.get("name").to_owned(), row.get("count").to_owned());
        let today = spare::day(self.now());
        row.values.insert("count".to_owned(), count.to_string());
        row.values.insert("counted_on".to_owned(), today.clone());
        self.put(by, action, Book::Spares, vec![row]).await?;
        let word = if before == count.to_string() {
            "as the register had it".to_owned()
        } else {
            format!("the register had {before}")
        };
        Ok(done(format!("{name}: {count} counted on {today}, {word}")))
    }

    async fn ask_spare(&self, by: &Doer, action: &str, spare: &str, count: u32, ticket: u64) -> Result<Done, Failure> {
        if count == 0 {
            return Err(wrong("field `count` is 0"));
        }
        let row = self.spare(spare).await?;
        let known = self.ledger.ticket(ticket).await.map_err(failed)?;
        if known.is_none() {
            return Err(Failure::new(Code::NotFound, format!("there is no ticket #{ticket}")));
        }
        let wanted = Use {
            id: 0,
            spare: row.id.clone(),
            name: row.get("name").to_owned(),
            count,
            ticket,
            asked_by: by.login.clone(),
            asked_at: self.now(),
            answered_by: None,
            allowed: None,
        };
        let line = self.line(by, action, &format!("#{ticket}"), &wanted.name);
        let id = self.ledger.ask_spare(&wanted, &[line]).await.map_err(failed)?;
        Ok(Done {
            id: Some(id),
            said: vec![format!("question {id} waits for a lead")],
        })
    }
}
