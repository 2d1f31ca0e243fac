//! Planned work as pages and API show it: whom it concerns in names, when it counts, whether it does now.

use crate::backend::Failure;
use crate::guard::Visit;
use tocsin_desk::{
    planned::{Names, Planned, PlannedKind},
    record::{PlannedFilter, Slice},
};

/// Rows that a page shows of each kind.
const ROWS: u32 = 200;

/// Names as the registers have them; read only when something is there to be named.
pub(crate) async fn names_of(visit: &Visit, planned: &[Planned]) -> Result<Names, Failure> {
    if planned.is_empty() {
        return Ok(Names::default());
    }
    let places = visit.console.backend.places().await?;
    let customers = visit.console.backend.customers().await?;
    Ok(Names::new(places, customers))
}

/// Those of a kind that have not ended, newest first.
pub(crate) async fn open(visit: &Visit, kind: Option<PlannedKind>) -> Result<Vec<Planned>, Failure> {
    let filter = PlannedFilter {
        kind,
        open_only: true,
        slice: Slice {
            after: None,
            limit: ROWS,
        },
    };
    Ok(visit.console.backend.planned(&filter).await?.items)
}
