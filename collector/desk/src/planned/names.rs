//! Whom a scope concerns, in names instead of ids.

use super::Scope;
use crate::topology::Place;
use std::{collections::HashMap, fmt::Display};
use tocsin_vocabulary::{AssetId, CustomerId, SiteId};

/// Names of what a scope can name by id.
#[derive(Debug, Default)]
pub struct Names {
    assets: HashMap<AssetId, String>,
    sites: HashMap<SiteId, String>,
    customers: HashMap<CustomerId, String>,
}

impl Names {
    /// Names as the registers have them: places, and customers with their names.
    #[must_use]
    pub fn new(places: Vec<Place>, customers: impl IntoIterator<Item = (CustomerId, String)>) -> Self {
        Self {
            sites: places
                .iter()
                .map(|place| (place.site, place.site_name.clone()))
                .collect(),
            customers: customers.into_iter().collect(),
            assets: places.into_iter().map(|place| (place.asset, place.name)).collect(),
        }
    }

    /// Whom a scope concerns, list by list; what has no name shows its id.
    #[must_use]
    pub fn scope(&self, scope: &Scope) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(scope.assets.iter().map(|id| named(self.assets.get(id), id)));
        words.extend(scope.sites.iter().map(|id| named(self.sites.get(id), id)));
        words.extend(scope.customers.iter().map(|id| named(self.customers.get(id), id)));
        let marked = [("#", &scope.tags), ("", &scope.rules), ("", &scope.instances)];
        words.extend(
            marked
                .into_iter()
                .flat_map(|(mark, list)| list.iter().map(move |word| format!("{mark}{word}"))),
        );
        words
    }
}

fn named(name: Option<&String>, id: impl Display) -> String {
    name.cloned().unwrap_or_else(|| id.to_string())
}
