//! How people are reached and prove themselves, and what customers keep inside.

use crate::{
    Ledger, LedgerError, audit,
    engine::commit,
    people::{missing, person, person_columns},
    statement::{Fields, Statement},
};
use tocsin_desk::{model::Person, record::AuditLine};
use tocsin_vocabulary::{CustomerId, PersonId};

impl Ledger {
    /// Sets a person's phone, mail address and staff number, each where it is given; an empty one takes it away.
    ///
    /// # Errors
    /// `NotFound` for a person who is not here, `Conflict` when somebody else has the staff number; otherwise when the
    /// ledger can't be written.
    pub async fn set_contact(
        &self,
        id: PersonId,
        phone: Option<&str>,
        email: Option<&str>,
        staff: Option<&str>,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "set how a person is reached";
        let mut tx = self.engine.write(OPERATION).await?;
        let changed = Statement::new(
            OPERATION,
            "UPDATE person SET phone = COALESCE($2, phone), email = COALESCE($3, email) WHERE id = $1",
        )
        .id(id)
        .maybe_text(phone)
        .maybe_text(email)
        .run(&mut tx)
        .await?;
        if changed == 0 {
            return Err(missing(OPERATION, id));
        }
        if let Some(number) = staff {
            Statement::new(OPERATION, "DELETE FROM staff_number WHERE person = $1")
                .id(id)
                .run(&mut tx)
                .await?;
            if !number.is_empty() {
                let sql = "INSERT INTO staff_number (person, number) VALUES ($1, $2)";
                let written = Statement::new(OPERATION, sql).id(id).text(number).run(&mut tx).await;
                written.map_err(|error| match error {
                    LedgerError::Conflict { operation, .. } => LedgerError::Conflict {
                        operation,
                        what: format!("staff number `{number}` is taken"),
                    },
                    other => other,
                })?;
            }
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// Whose staff number this is.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn person_by_staff_number(&self, number: &str) -> Result<Option<Person>, LedgerError> {
        const OPERATION: &str = "look up a staff number";
        let row = Statement::new(
            OPERATION,
            concat!(
                "SELECT ",
                person_columns!(),
                " FROM person JOIN staff_number ON staff_number.person = person.id WHERE staff_number.number = $1"
            ),
        )
        .text(number)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        row.map(|row| person(&Fields::new(OPERATION, &row))).transpose()
    }

    /// Customers with how much of their matters may leave the site: id, name, `full`, `code-only` or `none`; by name.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn secrecies(&self) -> Result<Vec<(CustomerId, String, String)>, LedgerError> {
        const OPERATION: &str = "list what customers keep inside";
        let rows = Statement::new(
            OPERATION,
            "SELECT customer.id AS id, customer.name AS name, COALESCE(customer_secrecy.secrecy, 'full') AS secrecy
             FROM customer LEFT JOIN customer_secrecy ON customer_secrecy.customer = customer.id",
        )
        .rows(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        let mut all: Vec<(CustomerId, String, String)> = rows
            .iter()
            .map(|row| {
                let fields = Fields::new(OPERATION, row);
                Ok((fields.parsed("id")?, fields.text("name")?, fields.text("secrecy")?))
            })
            .collect::<Result<_, LedgerError>>()?;
        all.sort_by(|a, b| a.1.cmp(&b.1));
        Ok(all)
    }

    /// Says how much of a customer's matters may leave the site: `full`, `code-only` or `none`.
    ///
    /// # Errors
    /// When there is no such word or customer, or the ledger can't be written.
    pub async fn set_secrecy(
        &self,
        customer: CustomerId,
        secrecy: &str,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "set what a customer keeps inside";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO customer_secrecy (customer, secrecy) VALUES ($1, $2)
             ON CONFLICT (customer) DO UPDATE SET secrecy = excluded.secrecy",
        )
        .id(customer)
        .text(secrecy)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }
}
