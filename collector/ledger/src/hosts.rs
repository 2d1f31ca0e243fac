//! The register of hosts, and of the assets that they are.

use crate::{
    DEFAULT_CUSTOMER, Ledger, LedgerError, audit,
    customers::cover,
    engine::commit,
    statement::{Fields, Statement},
};
use sqlx::AnyConnection;
use std::collections::BTreeMap;
use tocsin_desk::{
    model::AssetFacts,
    record::{AuditLine, HostFacts, HostRecord},
};
use tocsin_vocabulary::{AssetId, CustomerId, HostId, Importance, Timestamp};

/// Hosts whose last sign of life is written with one statement: ten thousand a minute must not keep the desk waiting.
const TOUCHED_AT_ONCE: usize = 500;

/// Tags of one asset; more is a mistake, not a register.
const TAGS_MAX: usize = 64;

const HOST: &str = "SELECT host.id AS id, host.asset AS asset, asset.name AS name, asset.customer AS customer, \
     customer.name AS customer_name, asset.contract AS contract, asset.site AS site, site.name AS site_name, \
     importance, facts, enrolled_at, certificate_until, generation, revoked_at, interval_ms, last_seen_at \
     FROM host JOIN asset ON asset.id = host.asset JOIN customer ON customer.id = asset.customer \
     JOIN site ON site.id = asset.site";

/// What enrolment says of a new host.
#[derive(Debug, Clone)]
pub struct NewHost {
    /// Its identity.
    pub host: HostId,
    /// The asset that it is.
    pub asset: AssetId,
    /// What people call it; empty: its hostname.
    pub name: String,
    /// Whose it is; none: the default customer's.
    pub customer: Option<CustomerId>,
    /// What it said of itself.
    pub facts: HostFacts,
    /// When its first certificate ends.
    pub certificate_until: Timestamp,
}

impl Ledger {
    /// Every host in the register, by name.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn hosts(&self) -> Result<Vec<HostRecord>, LedgerError> {
        const OPERATION: &str = "list hosts";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let mut tags: BTreeMap<AssetId, Vec<String>> = BTreeMap::new();
        for row in Statement::new(OPERATION, "SELECT asset, tag FROM asset_tag")
            .rows(&mut tx)
            .await?
        {
            let fields = Fields::new(OPERATION, &row);
            tags.entry(fields.parsed("asset")?)
                .or_default()
                .push(fields.text("tag")?);
        }
        let rows = Statement::new(OPERATION, HOST).rows(&mut tx).await?;
        let mut hosts: Vec<HostRecord> = rows
            .iter()
            .map(|row| host(&Fields::new(OPERATION, row)))
            .collect::<Result<_, _>>()?;
        for host in &mut hosts {
            host.tags = tags.remove(&host.asset).unwrap_or_default();
            host.tags.sort_unstable();
        }
        // Sorted here, for the engines collate differently.
        hosts.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(hosts)
    }

    /// One host.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn host(&self, id: HostId) -> Result<Option<HostRecord>, LedgerError> {
        const OPERATION: &str = "read a host";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        read(&mut tx, OPERATION, id).await
    }

    /// Enters a host, the asset that it is, and the audit lines, in one transaction. It is covered by the customer's
    /// oldest site and contract.
    ///
    /// # Errors
    /// `Conflict` when host or asset are there already, `NotFound` when the customer is not; otherwise when the ledger
    /// can't be written.
    pub async fn enrol_host(
        &self,
        new: &NewHost,
        now: Timestamp,
        lines: &[AuditLine],
    ) -> Result<HostRecord, LedgerError> {
        const OPERATION: &str = "enter a host";
        let customer = new.customer.unwrap_or(DEFAULT_CUSTOMER);
        let name = if new.name.is_empty() {
            &new.facts.hostname
        } else {
            &new.name
        };
        let mut tx = self.engine.write(OPERATION).await?;
        let (site, contract) = cover(&mut tx, OPERATION, customer).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO asset (id, customer, contract, site, name, importance, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .id(new.asset)
        .id(customer)
        .id(contract)
        .id(site)
        .text(name)
        .text(Importance::default().as_str())
        .time(now)
        .run(&mut tx)
        .await?;
        Statement::new(
            OPERATION,
            "INSERT INTO host (id, asset, facts, enrolled_at, certificate_until, generation, interval_ms)
             VALUES ($1, $2, $3, $4, $5, 1, 0)",
        )
        .id(new.host)
        .id(new.asset)
        .text(&facts_json(OPERATION, &new.facts)?)
        .time(now)
        .time(new.certificate_until)
        .run(&mut tx)
        .await?;
        audit::append(&mut tx, lines).await?;
        let record = read(&mut tx, OPERATION, new.host).await?;
        commit(tx, OPERATION).await?;
        record.ok_or_else(|| missing(OPERATION, new.host))
    }

    /// Keeps what a host says of itself, and its tick interval.
    ///
    /// # Errors
    /// `NotFound` for a host that is not here; otherwise when the ledger can't be written.
    pub async fn update_facts(&self, host: HostId, facts: &HostFacts, interval_ms: u64) -> Result<(), LedgerError> {
        const OPERATION: &str = "keep what a host says of itself";
        let statement = Statement::new(OPERATION, "UPDATE host SET facts = $2, interval_ms = $3 WHERE id = $1")
            .id(host)
            .text(&facts_json(OPERATION, facts)?)
            .count(interval_ms);
        self.change_host(OPERATION, host, statement, &[]).await
    }

    /// Notes that a host presented a certificate that ends at `until`. Writes only what is not known yet.
    ///
    /// # Errors
    /// When the ledger can't be read or written.
    pub async fn presented(&self, host: HostId, until: Timestamp) -> Result<(), LedgerError> {
        const OPERATION: &str = "note which certificate a host uses";
        let known = Statement::new(
            OPERATION,
            "SELECT id FROM host WHERE id = $1 AND certificate_used_until >= $2",
        )
        .id(host)
        .time(until)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        if known.is_some() {
            return Ok(());
        }
        let statement = Statement::new(OPERATION, "UPDATE host SET certificate_used_until = $2 WHERE id = $1")
            .id(host)
            .time(until);
        self.change_host(OPERATION, host, statement, &[]).await
    }

    /// Counts a new certificate; answers its generation. The host holds the `generation_held`th, which it presented
    /// and which ends at `held_until`.
    ///
    /// One generation behind is good as long as the newest certificate was never presented: its answer was lost. One
    /// ahead of the ledger, with a certificate that ends later than any the ledger knows, is good too: the ledger was
    /// restored from an older copy.
    ///
    /// # Errors
    /// `Conflict` when the host is at another generation or revoked, `NotFound` when it is not here; otherwise when
    /// the ledger can't be written.
    pub async fn renewed(
        &self,
        host: HostId,
        generation_held: u64,
        held_until: Timestamp,
        certificate_until: Timestamp,
    ) -> Result<u64, LedgerError> {
        const OPERATION: &str = "renew a host's certificate";
        let mut tx = self.engine.write(OPERATION).await?;
        let row = Statement::new(
            OPERATION,
            "UPDATE host SET generation = $2 + 1, certificate_until = $4
             WHERE id = $1 AND revoked_at IS NULL AND (
                 generation = $2
                 OR (generation = $2 + 1 AND COALESCE(certificate_used_until, 0) < certificate_until)
                 OR (generation < $2 AND certificate_until < $3)
             ) RETURNING generation",
        )
        .id(host)
        .count(generation_held)
        .time(held_until)
        .time(certificate_until)
        .row(&mut tx)
        .await?;
        let Some(row) = row else {
            let found = read(&mut tx, OPERATION, host)
                .await?
                .ok_or_else(|| missing(OPERATION, host))?;
            let what = if found.revoked_at.is_some() {
                format!("host {host} is revoked: enrol it anew")
            } else {
                format!(
                    "host {host} is at certificate {}, not {generation_held}",
                    found.generation
                )
            };
            return Err(LedgerError::Conflict {
                operation: OPERATION,
                what,
            });
        };
        let generation = Fields::new(OPERATION, &row).number("generation")?;
        commit(tx, OPERATION).await?;
        Ok(generation)
    }

    /// Shuts a host out. One that is shut out stays so since the first time.
    ///
    /// # Errors
    /// `NotFound` for a host that is not here; otherwise when the ledger can't be written.
    pub async fn revoke_host(
        &self,
        host: HostId,
        now: Timestamp,
        by: &str,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "revoke a host";
        let statement = Statement::new(
            OPERATION,
            "UPDATE host SET revoked_by = CASE WHEN revoked_at IS NULL THEN $3 ELSE revoked_by END,
                    revoked_at = COALESCE(revoked_at, $2) WHERE id = $1",
        )
        .id(host)
        .time(now)
        .text(by);
        self.change_host(OPERATION, host, statement, lines).await
    }

    /// Keeps when a host was last heard, unless a later time is known.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn touch_host(&self, host: HostId, last_seen: Timestamp) -> Result<(), LedgerError> {
        self.touch_hosts(&[(host, last_seen)]).await
    }

    /// Keeps when many hosts were last heard, in one transaction. Hosts that are not here are passed over.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn touch_hosts(&self, seen: &[(HostId, Timestamp)]) -> Result<(), LedgerError> {
        const OPERATION: &str = "keep when hosts were last heard";
        // In the order of their ids and each once, so that two writers never wait for each other in a circle.
        let latest: BTreeMap<HostId, Timestamp> = seen.iter().fold(BTreeMap::new(), |mut latest, &(host, at)| {
            let known: &mut Timestamp = latest.entry(host).or_insert(at);
            *known = at.max(*known);
            latest
        });
        let latest: Vec<_> = latest.into_iter().collect();
        let mut tx = self.engine.write(OPERATION).await?;
        for hosts in latest.chunks(TOUCHED_AT_ONCE) {
            touch(OPERATION, hosts).run(&mut tx).await?;
        }
        commit(tx, OPERATION).await
    }

    /// What the desk must know of the asset that a host is.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn asset_facts(&self, host: HostId) -> Result<Option<AssetFacts>, LedgerError> {
        const OPERATION: &str = "read a host's asset";
        let row = Statement::new(
            OPERATION,
            "SELECT asset.id AS id, name, customer, contract, site, importance
             FROM host JOIN asset ON asset.id = host.asset WHERE host.id = $1",
        )
        .id(host)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        let facts = |fields: Fields<'_>| {
            Ok(AssetFacts {
                asset: fields.parsed("id")?,
                name: fields.text("name")?,
                customer: fields.parsed("customer")?,
                contract: fields.parsed("contract")?,
                site: fields.parsed("site")?,
                importance: fields.parsed("importance")?,
            })
        };
        row.map(|row| facts(Fields::new(OPERATION, &row))).transpose()
    }

    /// Replaces the tags of a host's asset.
    ///
    /// # Errors
    /// `NotFound` for a host that is not here, `InvalidInput` for more than 64 tags; otherwise when the ledger can't be
    /// written.
    pub async fn set_host_tags(&self, host: HostId, tags: &[String], lines: &[AuditLine]) -> Result<(), LedgerError> {
        const OPERATION: &str = "set a host's tags";
        if tags.len() > TAGS_MAX {
            return Err(LedgerError::Invalid {
                operation: OPERATION,
                what: format!("at most {TAGS_MAX} tags"),
            });
        }
        let mut tx = self.engine.write(OPERATION).await?;
        let record = read(&mut tx, OPERATION, host)
            .await?
            .ok_or_else(|| missing(OPERATION, host))?;
        Statement::new(OPERATION, "DELETE FROM asset_tag WHERE asset = $1")
            .id(record.asset)
            .run(&mut tx)
            .await?;
        for tag in tags {
            Statement::new(
                OPERATION,
                "INSERT INTO asset_tag (asset, tag) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            )
            .id(record.asset)
            .text(tag)
            .run(&mut tx)
            .await?;
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// Says how much a host's asset matters.
    ///
    /// # Errors
    /// `NotFound` for a host that is not here; otherwise when the ledger can't be written.
    pub async fn set_importance(
        &self,
        host: HostId,
        importance: Importance,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "set a host's importance";
        let statement = Statement::new(
            OPERATION,
            "UPDATE asset SET importance = $2 WHERE id = (SELECT asset FROM host WHERE id = $1)",
        )
        .id(host)
        .text(importance.as_str());
        self.change_host(OPERATION, host, statement, lines).await
    }

    async fn change_host(
        &self,
        operation: &'static str,
        host: HostId,
        statement: Statement,
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        let mut tx = self.engine.write(operation).await?;
        if statement.run(&mut tx).await? == 0 {
            return Err(missing(operation, host));
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, operation).await
    }
}

/// Both engines call the columns of VALUES `column1`, `column2`.
fn touch(operation: &'static str, hosts: &[(HostId, Timestamp)]) -> Statement {
    let rows: Vec<String> = (0..hosts.len())
        .map(|at| format!("(${}, ${})", 2 * at + 1, 2 * at + 2))
        .collect();
    let sql = format!(
        "UPDATE host SET last_seen_at = seen.column2 FROM (VALUES {}) AS seen
         WHERE host.id = seen.column1 AND (last_seen_at IS NULL OR last_seen_at < seen.column2)",
        rows.join(", ")
    );
    hosts
        .iter()
        .fold(Statement::assembled(operation, sql), |statement, (host, at)| {
            statement.id(host).time(*at)
        })
}

fn missing(operation: &'static str, host: HostId) -> LedgerError {
    LedgerError::NotFound {
        operation,
        what: format!("host {host}"),
    }
}

fn facts_json(operation: &'static str, facts: &HostFacts) -> Result<String, LedgerError> {
    serde_json::to_string(facts).map_err(|error| LedgerError::Invalid {
        operation,
        what: error.to_string(),
    })
}

async fn read(
    connection: &mut AnyConnection,
    operation: &'static str,
    id: HostId,
) -> Result<Option<HostRecord>, LedgerError> {
    let sql = format!("{HOST} WHERE host.id = $1");
    let Some(row) = Statement::assembled(operation, sql).id(id).row(connection).await? else {
        return Ok(None);
    };
    let mut record = host(&Fields::new(operation, &row))?;
    let tags = Statement::new(operation, "SELECT tag FROM asset_tag WHERE asset = $1")
        .id(record.asset)
        .rows(connection)
        .await?;
    record.tags = tags
        .iter()
        .map(|row| Fields::new(operation, row).text("tag"))
        .collect::<Result<_, _>>()?;
    record.tags.sort_unstable();
    Ok(Some(record))
}

fn host(fields: &Fields<'_>) -> Result<HostRecord, LedgerError> {
    Ok(HostRecord {
        id: fields.parsed("id")?,
        asset: fields.parsed("asset")?,
        name: fields.text("name")?,
        customer: fields.parsed("customer")?,
        customer_name: fields.text("customer_name")?,
        contract: fields.parsed("contract")?,
        site: fields.parsed("site")?,
        site_name: fields.text("site_name")?,
        importance: fields.parsed("importance")?,
        facts: serde_json::from_str(&fields.text("facts")?).map_err(|error| fields.strange("facts", error))?,
        tags: Vec::new(),
        enrolled_at: fields.time("enrolled_at")?,
        certificate_until: fields.time("certificate_until")?,
        generation: fields.number("generation")?,
        revoked_at: fields.maybe_time("revoked_at")?,
        interval_ms: fields.number("interval_ms")?,
        last_seen_at: fields.maybe_time("last_seen_at")?,
    })
}
