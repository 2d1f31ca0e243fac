//! The register of people, and who is on duty.

use crate::{
    Ledger, LedgerError, audit,
    engine::{Tx, commit},
    statement::{Fields, Statement},
};
use tocsin_desk::{
    model::{Person, Role},
    record::AuditLine,
};
use tocsin_vocabulary::{Language, PersonId};

/// The columns of a person.
macro_rules! person_columns {
    () => {
        "person.id AS id, login, person.name AS name, COALESCE(person.office, person.role) AS role, person.customer AS customer, language, \
         email, phone, on_duty"
    };
}
pub(crate) use person_columns;

impl Ledger {
    /// Everybody in the register, by login.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn people(&self) -> Result<Vec<Person>, LedgerError> {
        const OPERATION: &str = "list people";
        self.some_people(
            OPERATION,
            Statement::new(OPERATION, concat!("SELECT ", person_columns!(), " FROM person")),
        )
        .await
    }

    /// Who is paged now, by login.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn on_duty(&self) -> Result<Vec<Person>, LedgerError> {
        const OPERATION: &str = "list who is on duty";
        let sql = concat!("SELECT ", person_columns!(), " FROM person WHERE on_duty = 1");
        self.some_people(OPERATION, Statement::new(OPERATION, sql)).await
    }

    /// The person who signs in with `login`.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn lookup_person(&self, login: &str) -> Result<Option<Person>, LedgerError> {
        const OPERATION: &str = "look up a person";
        let sql = concat!("SELECT ", person_columns!(), " FROM person WHERE login = $1");
        Ok(self
            .some_people(OPERATION, Statement::new(OPERATION, sql).text(login))
            .await?
            .into_iter()
            .next())
    }

    async fn some_people(&self, operation: &'static str, statement: Statement) -> Result<Vec<Person>, LedgerError> {
        let rows = statement.rows(&mut *self.engine.reader(operation).await?).await?;
        let mut people: Vec<Person> = rows
            .iter()
            .map(|row| person(&Fields::new(operation, row)))
            .collect::<Result<_, _>>()?;
        // Sorted here, for the engines collate differently.
        people.sort_by(|a, b| a.login.cmp(&b.login));
        Ok(people)
    }

    /// Enters a person. An empty `password_hash`: cannot sign in by password.
    ///
    /// # Errors
    /// `Conflict` when the login is taken, `InvalidInput` for a customer's person without a customer; otherwise when
    /// the ledger can't be written.
    pub async fn create_person(
        &self,
        person: &Person,
        password_hash: &str,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "enter a person";
        let mut tx = self.engine.write(OPERATION).await?;
        insert(&mut tx, OPERATION, person, password_hash).await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// Enters `person` unless there is an administrator; answers whether they were entered. For a first start.
    ///
    /// # Errors
    /// As [`Ledger::create_person`].
    pub async fn ensure_administrator(&self, person: &Person, password_hash: &str) -> Result<bool, LedgerError> {
        const OPERATION: &str = "enter the first administrator";
        let mut tx = self.engine.write(OPERATION).await?;
        // Locks the row, so that of two collectors that start at once the second sees the first one's person.
        Statement::new(OPERATION, "UPDATE counter SET value = value WHERE name = 'audit'")
            .run(&mut tx)
            .await?;
        let found = Statement::new(OPERATION, "SELECT id FROM person WHERE role = 'administrator' LIMIT 1")
            .row(&mut tx)
            .await?;
        if found.is_some() {
            return Ok(false);
        }
        let administrator = Person {
            role: Role::Administrator,
            ..person.clone()
        };
        insert(&mut tx, OPERATION, &administrator, password_hash).await?;
        commit(tx, OPERATION).await?;
        Ok(true)
    }

    /// Sets a password, forgets wrong ones, and ends the person's sessions: whoever knew the old one is out.
    ///
    /// # Errors
    /// `NotFound` for a person who is not here; otherwise when the ledger can't be written.
    pub async fn set_password(
        &self,
        person: PersonId,
        password_hash: &str,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "set a password";
        let mut tx = self.engine.write(OPERATION).await?;
        let changed = Statement::new(
            OPERATION,
            "UPDATE person SET password_hash = $2, failed_count = 0, locked_until = NULL WHERE id = $1",
        )
        .id(person)
        .text(password_hash)
        .run(&mut tx)
        .await?;
        if changed == 0 {
            return Err(missing(OPERATION, person));
        }
        Statement::new(OPERATION, "DELETE FROM session WHERE person = $1")
            .id(person)
            .run(&mut tx)
            .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// Says whether a person is paged from now on.
    ///
    /// # Errors
    /// `NotFound` for a person who is not here; otherwise when the ledger can't be written.
    pub async fn set_duty(&self, person: PersonId, on_duty: bool, lines: &[AuditLine]) -> Result<(), LedgerError> {
        const OPERATION: &str = "set who is on duty";
        let mut tx = self.engine.write(OPERATION).await?;
        let changed = Statement::new(OPERATION, "UPDATE person SET on_duty = $2 WHERE id = $1")
            .id(person)
            .flag(on_duty)
            .run(&mut tx)
            .await?;
        if changed == 0 {
            return Err(missing(OPERATION, person));
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }
}

async fn insert(tx: &mut Tx, operation: &'static str, person: &Person, password_hash: &str) -> Result<(), LedgerError> {
    let invalid = |what: &str| {
        Err(LedgerError::Invalid {
            operation,
            what: what.to_owned(),
        })
    };
    if person.login.trim().is_empty() {
        return invalid("the login is empty");
    }
    if person.role == Role::Customer && person.customer.is_none() {
        return invalid("a customer's person needs the customer whose things they see");
    }
    Statement::new(
        operation,
        "INSERT INTO person (id, login, name, role, customer, language, email, phone, on_duty, password_hash,
                             failed_count, office)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11)",
    )
    .id(person.id)
    .text(&person.login)
    .text(&person.name)
    .text(nearest(person.role).as_str())
    .maybe_id(person.customer)
    .text(person.language.tag())
    .text(&person.email)
    .text(&person.phone)
    .flag(person.on_duty)
    .text(password_hash)
    .maybe_text(office(person.role))
    .run(tx)
    .await
    .map_err(|error| match error {
        LedgerError::Conflict { operation, .. } => LedgerError::Conflict {
            operation,
            what: format!("login `{}` is taken", person.login),
        },
        other => other,
    })?;
    Ok(())
}

/// The one of the first four roles that comes nearest, see the table `person`.
const fn nearest(role: Role) -> Role {
    match role {
        Role::TeamLead => Role::Operator,
        Role::Auditor | Role::Kiosk => Role::Supervisor,
        role => role,
    }
}

/// What a person's role is called beside the first four.
fn office(role: Role) -> Option<&'static str> {
    matches!(role, Role::TeamLead | Role::Auditor | Role::Kiosk).then(|| role.as_str())
}

pub(crate) fn missing(operation: &'static str, person: PersonId) -> LedgerError {
    LedgerError::NotFound {
        operation,
        what: format!("person {person}"),
    }
}

/// Reads a person.
pub(crate) fn person(fields: &Fields<'_>) -> Result<Person, LedgerError> {
    Ok(Person {
        id: fields.parsed("id")?,
        login: fields.text("login")?,
        name: fields.text("name")?,
        role: fields.word("role", Role::parse)?,
        customer: fields.maybe_parsed("customer")?,
        language: fields.word("language", Language::from_tag)?,
        email: fields.text("email")?,
        phone: fields.text("phone")?,
        on_duty: fields.flag("on_duty")?,
    })
}
