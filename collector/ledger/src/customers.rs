//! Customers with their first site and contract; and those that cover hosts until there are real ones.

use crate::{
    Ledger, LedgerError, audit,
    engine::{Tx, commit},
    statement::{Fields, Statement},
};
use tocsin_desk::record::AuditLine;
use tocsin_vocabulary::{ContractId, CustomerId, SiteId, Timestamp};

/// The customer of hosts that were enrolled for nobody in particular. Written by the first migration.
pub const DEFAULT_CUSTOMER: CustomerId = CustomerId::from_bytes(default_id(1));
/// The default customer's site.
pub const DEFAULT_SITE: SiteId = SiteId::from_bytes(default_id(2));
/// The default customer's contract.
pub const DEFAULT_CONTRACT: ContractId = ContractId::from_bytes(default_id(3));

/// `00000000-0000-7000-8000-00000000000N`.
const fn default_id(last: u8) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, last]
}

/// The zone of sites until they say another.
const ZONE: &str = "Asia/Shanghai";

impl Ledger {
    /// The names of all customers, sorted.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn customer_names(&self) -> Result<Vec<String>, LedgerError> {
        const OPERATION: &str = "list customers";
        let rows = Statement::new(OPERATION, "SELECT name FROM customer")
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        let names = rows.iter().map(|row| Fields::new(OPERATION, row).text("name"));
        let mut names: Vec<String> = names.collect::<Result<_, _>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// All customers with their names.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn customers(&self) -> Result<Vec<(CustomerId, String)>, LedgerError> {
        const OPERATION: &str = "list customers with their ids";
        let rows = Statement::new(OPERATION, "SELECT id, name FROM customer")
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        let mut customers = Vec::with_capacity(rows.len());
        for row in &rows {
            let fields = Fields::new(OPERATION, row);
            customers.push((fields.parsed("id")?, fields.text("name")?));
        }
        customers.sort_by(|a: &(CustomerId, String), b| (&a.1, a.0).cmp(&(&b.1, b.0)));
        Ok(customers)
    }

    /// Enters a customer with a site and a contract of policy `basic`.
    ///
    /// # Errors
    /// `Conflict` when one of the ids is taken; otherwise when the ledger can't be written.
    pub async fn create_customer(
        &self,
        (customer, site, contract): (CustomerId, SiteId, ContractId),
        name: &str,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "enter a customer";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO customer (id, name, created_at) VALUES ($1, $2, $3)",
        )
        .id(customer)
        .text(name)
        .time(now)
        .run(&mut tx)
        .await?;
        Statement::new(
            OPERATION,
            "INSERT INTO site (id, customer, name, zone, created_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .id(site)
        .id(customer)
        .text(name)
        .text(ZONE)
        .time(now)
        .run(&mut tx)
        .await?;
        Statement::new(
            OPERATION,
            "INSERT INTO contract (id, customer, name, policy, grade, service_hours, created_at)
             VALUES ($1, $2, $3, 'basic', 'standard', '7x24', $4)",
        )
        .id(contract)
        .id(customer)
        .text(name)
        .time(now)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }
}

/// The oldest site and contract of a customer.
pub(crate) async fn cover(
    tx: &mut Tx,
    operation: &'static str,
    customer: CustomerId,
) -> Result<(SiteId, ContractId), LedgerError> {
    let row = Statement::new(
        operation,
        "SELECT (SELECT id FROM site WHERE customer = $1 ORDER BY created_at, id LIMIT 1) AS site,
                (SELECT id FROM contract WHERE customer = $1 ORDER BY created_at, id LIMIT 1) AS contract",
    )
    .id(customer)
    .row(tx)
    .await?;
    let found = row.map(|row| {
        let fields = Fields::new(operation, &row);
        Ok::<_, LedgerError>((fields.maybe_parsed("site")?, fields.maybe_parsed("contract")?))
    });
    match found.transpose()? {
        Some((Some(site), Some(contract))) => Ok((site, contract)),
        _ => Err(LedgerError::NotFound {
            operation,
            what: format!("customer {customer} with a site and a contract"),
        }),
    }
}
