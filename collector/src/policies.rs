//! Where policies come from: the shipped ones, and files of an administrator that add to them or replace them.

use crate::{calendars, config::Config};
use anyhow::Context as _;
use std::{collections::BTreeMap, path::Path, sync::Arc};
use tocsin_desk::{clocks::Book, policy::Policy};
use tocsin_vocabulary::time::HumanDuration;

/// Every policy, by name: those of the configured folder stand before the shipped ones of the same name.
///
/// # Errors
/// When the folder or a file of it can't be read, or a file is no usable policy.
pub fn load(config: &Config) -> anyhow::Result<Vec<Policy>> {
    let mut policies: BTreeMap<String, Policy> = Policy::shipped()
        .into_iter()
        .map(|policy| (policy.name.clone(), policy))
        .collect();
    if let Some(folder) = &config.policies_dir {
        for policy in written(folder)? {
            policies.insert(policy.name.clone(), policy);
        }
    }
    Ok(policies.into_values().collect())
}

fn written(folder: &Path) -> anyhow::Result<Vec<Policy>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read policies in {}", folder.display()))?;
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            Policy::parse(&text).with_context(|| format!("{}", path.display()))
        })
        .collect()
}

/// Policies and calendars of a site. Contracts that name no policy have `basic`; pages repeat as the configuration says.
///
/// # Errors
/// As for [`load`].
pub fn book(config: &Config) -> anyhow::Result<Book> {
    let policies = load(config)?;
    let basic = policies.iter().find(|policy| policy.name == "basic").cloned();
    let mut fallback = basic.unwrap_or_else(Policy::basic);
    fallback.paging.repage_after = HumanDuration(config.repage_after);
    fallback.paging.destinations.clone_from(&config.destinations);
    let (calendars, complaints) = calendars::load(config);
    for complaint in complaints {
        tracing::warn!(complaint, "a calendar is incomplete");
    }
    Ok(Book::new(fallback, policies, Arc::new(calendars), BTreeMap::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_adds_a_policy_or_replaces_a_shipped_one_and_a_wrong_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let shipped = include_str!("../desk/policies/basic.toml");
        std::fs::write(folder.path().join("basic.toml"), shipped.replace("\"4h\"", "\"3h\"")).unwrap();
        let own = shipped.replace("name = \"basic\"", "name = \"bank\"");
        std::fs::write(folder.path().join("bank.toml"), own).unwrap();
        let config = Config {
            policies_dir: Some(folder.path().to_owned()),
            ..Config::default()
        };
        let policies = load(&config).unwrap();
        assert_eq!(policies.len(), Policy::shipped().len() + 1);
        let book = book(&config).unwrap();
        assert_ne!(book.fallback().targets, Policy::basic().targets);
        std::fs::write(folder.path().join("broken.toml"), "name = 3").unwrap();
        let error = format!("{:#}", load(&config).unwrap_err());
        assert!(error.contains("broken.toml"), "{error}");
    }
}
