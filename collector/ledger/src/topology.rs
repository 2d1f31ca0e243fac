//! Where assets stand and what they hang on.

use crate::{
    Ledger, LedgerError, audit,
    engine::commit,
    statement::{Fields, Statement},
};
use std::collections::BTreeMap;
use tocsin_desk::{record::AuditLine, topology::Place};
use tocsin_vocabulary::{AssetId, SiteId};

impl Ledger {
    /// Every asset with its site, tags and parent, by name. A host that was shut out is an asset without a host.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn places(&self) -> Result<Vec<Place>, LedgerError> {
        const OPERATION: &str = "list assets and what they hang on";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let mut tags: BTreeMap<AssetId, Vec<String>> = BTreeMap::new();
        let rows = Statement::new(OPERATION, "SELECT asset, tag FROM asset_tag")
            .rows(&mut tx)
            .await?;
        for row in &rows {
            let fields = Fields::new(OPERATION, row);
            tags.entry(fields.parsed("asset")?)
                .or_default()
                .push(fields.text("tag")?);
        }
        let rows = Statement::new(
            OPERATION,
            "SELECT asset.id AS asset, asset.name AS name, asset.customer AS customer, asset.site AS site,
                    site.name AS site_name, asset.parent AS parent, host.id AS host
             FROM asset JOIN site ON site.id = asset.site
             LEFT JOIN host ON host.asset = asset.id AND host.revoked_at IS NULL",
        )
        .rows(&mut tx)
        .await?;
        let mut places = Vec::with_capacity(rows.len());
        for row in &rows {
            let fields = Fields::new(OPERATION, row);
            let asset = fields.parsed("asset")?;
            let mut tags = tags.remove(&asset).unwrap_or_default();
            tags.sort_unstable();
            places.push(Place {
                asset,
                host: fields.maybe_parsed("host")?,
                name: fields.text("name")?,
                customer: fields.parsed("customer")?,
                site: fields.parsed("site")?,
                site_name: fields.text("site_name")?,
                tags,
                parent: fields.maybe_parsed("parent")?,
            });
        }
        // Sorted here, for the engines collate differently.
        places.sort_by(|a, b| (&a.name, a.asset).cmp(&(&b.name, b.asset)));
        Ok(places)
    }

    /// Says what assets hang on, all in one transaction; none: on nothing. Whether rings come of it is for the caller to see.
    ///
    /// # Errors
    /// `NotFound` when one of the assets is not in the register; otherwise when the ledger can't be written.
    pub async fn set_parents(
        &self,
        parents: &[(AssetId, Option<AssetId>)],
        lines: &[AuditLine],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "write what assets hang on";
        let mut tx = self.engine.write(OPERATION).await?;
        for (asset, parent) in parents {
            let touched = Statement::new(OPERATION, "UPDATE asset SET parent = $2 WHERE id = $1")
                .id(asset)
                .maybe_id(*parent)
                .run(&mut tx)
                .await?;
            if touched == 0 {
                return Err(LedgerError::NotFound {
                    operation: OPERATION,
                    what: format!("asset {asset}"),
                });
            }
        }
        audit::append(&mut tx, lines).await?;
        commit(tx, OPERATION).await
    }

    /// The names of all sites, with their customers'.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn site_names(&self) -> Result<Vec<(SiteId, String)>, LedgerError> {
        const OPERATION: &str = "list sites";
        let rows = Statement::new(OPERATION, "SELECT id, name FROM site")
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        let mut sites = Vec::with_capacity(rows.len());
        for row in &rows {
            let fields = Fields::new(OPERATION, row);
            sites.push((fields.parsed("id")?, fields.text("name")?));
        }
        sites.sort_by(|a: &(SiteId, String), b| (&a.1, a.0).cmp(&(&b.1, b.0)));
        Ok(sites)
    }
}
