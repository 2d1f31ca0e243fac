//! Whose series there are: the hosts, and the labels that say so.

use async_trait::async_trait;
use std::collections::BTreeMap;
use tocsin_vocabulary::HostId;

/// Labels by host. Whoever is handed one sees these hosts and no others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fleet {
    hosts: BTreeMap<HostId, Vec<(String, String)>>,
}

/// What a host's labels are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostNames {
    /// Its identity, label `host_id`.
    pub id: HostId,
    /// What people call it, label `host`.
    pub host: String,
    /// Its customer's name, label `customer`.
    pub customer: String,
    /// Its site's name, label `site`.
    pub site: String,
}

impl Fleet {
    /// Of these hosts.
    #[must_use]
    pub fn new(hosts: impl IntoIterator<Item = HostNames>) -> Self {
        let labels = |names: HostNames| {
            let id = names.id;
            // Sorted by name; an empty label is none.
            let all = [
                ("customer", names.customer),
                ("host", names.host),
                ("host_id", id.to_string()),
                ("site", names.site),
            ];
            let all = all.into_iter().filter(|(_, value)| !value.is_empty());
            (id, all.map(|(name, value)| (name.to_owned(), value)).collect())
        };
        Self {
            hosts: hosts.into_iter().map(labels).collect(),
        }
    }

    /// The labels of a host, sorted by name; none for one that is not there to be seen.
    #[must_use]
    pub fn labels(&self, host: HostId) -> Option<&[(String, String)]> {
        self.hosts.get(&host).map(Vec::as_slice)
    }

    /// All hosts with their labels, sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = (HostId, &[(String, String)])> {
        self.hosts.iter().map(|(id, labels)| (*id, labels.as_slice()))
    }
}

/// Where the hosts stand written. The wiring implements it over the ledger.
#[async_trait]
pub trait Directory: Send + Sync {
    /// All hosts of the site.
    ///
    /// # Errors
    /// A sentence that says why they can't be read now.
    async fn fleet(&self) -> Result<Fleet, String>;
}
