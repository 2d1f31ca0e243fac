//! Whom a silence, window or guarded period concerns.

use super::matches;
use crate::topology::Place;
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{AssetId, CustomerId, SiteId};

/// Most members of one list.
const MEMBERS_MAX: usize = 500;
/// Longest tag or pattern, in characters.
const WORD_MAX: usize = 200;

/// Whom it concerns. Lists that are empty narrow nothing; of each other list one member must fit: `tags = [db, web]` and
/// `sites = [A]` together mean the databases and web servers of site A.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scope {
    /// These assets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<AssetId>,
    /// What stands at these sites.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<SiteId>,
    /// What belongs to these customers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub customers: Vec<CustomerId>,
    /// What bears one of these tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Alerts of rules whose name fits one of these patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Alerts whose instance (`key=value,…`) fits one of these patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<String>,
}

/// What is held against a scope: an asset, and the alert that it shows.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The asset.
    pub asset: AssetId,
    /// What the register says of it; none while it is not known.
    pub place: Option<&'a Place>,
    /// The alert's rule and instance; none asks about the asset alone.
    pub alert: Option<(&'a str, &'a str)>,
}

impl Scope {
    /// Everything that is wrong with it, as sentences.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let counts = [
            self.assets.len(),
            self.sites.len(),
            self.customers.len(),
            self.tags.len(),
            self.rules.len(),
            self.instances.len(),
        ];
        if counts.iter().all(|&count| count == 0) {
            mistakes.push("it concerns nothing: name a host, site, customer, tag or rule".to_owned());
        }
        if counts.iter().any(|&count| count > MEMBERS_MAX) {
            mistakes.push(format!("more than {MEMBERS_MAX} of one kind: use a tag or a site"));
        }
        let words = [&self.tags, &self.rules, &self.instances];
        for word in words.into_iter().flatten() {
            if word.trim().is_empty() || word.chars().count() > WORD_MAX {
                mistakes.push(format!(
                    "a tag, rule or instance is empty or longer than {WORD_MAX} characters"
                ));
                break;
            }
        }
        mistakes
    }

    /// Whether it concerns this.
    #[must_use]
    pub fn concerns(&self, subject: &Subject<'_>) -> bool {
        let place = subject.place;
        let among = |patterns: &[String], word: Option<&str>| {
            patterns.is_empty() || word.is_none_or(|word| patterns.iter().any(|pattern| matches(pattern, word)))
        };
        (self.assets.is_empty() || self.assets.contains(&subject.asset))
            && (self.sites.is_empty() || place.is_some_and(|place| self.sites.contains(&place.site)))
            && (self.customers.is_empty() || place.is_some_and(|place| self.customers.contains(&place.customer)))
            && (self.tags.is_empty() || place.is_some_and(|place| place.tags.iter().any(|tag| self.tags.contains(tag))))
            && among(&self.rules, subject.alert.map(|(rule, _)| rule))
            && among(&self.instances, subject.alert.map(|(_, instance)| instance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(site: u8, tags: &[&str]) -> Place {
        Place {
            asset: AssetId::from_bytes([1; 16]),
            host: None,
            name: "web-1".to_owned(),
            customer: CustomerId::from_bytes([2; 16]),
            site: SiteId::from_bytes([site; 16]),
            site_name: "A".to_owned(),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            parent: None,
        }
    }

    #[test]
    fn lists_narrow_each_other_and_members_widen() {
        let place = place(3, &["web"]);
        let subject = Subject {
            asset: place.asset,
            place: Some(&place),
            alert: Some(("disk-full", "mount=/data")),
        };
        let scope = Scope {
            tags: vec!["db".to_owned(), "web".to_owned()],
            sites: vec![SiteId::from_bytes([3; 16])],
            rules: vec!["disk-*".to_owned()],
            ..Scope::default()
        };
        assert!(scope.concerns(&subject));
        let elsewhere = Scope {
            sites: vec![SiteId::from_bytes([4; 16])],
            ..scope.clone()
        };
        assert!(!elsewhere.concerns(&subject));
        let other = Scope {
            instances: vec!["*=/home".to_owned()],
            ..scope.clone()
        };
        assert!(!other.concerns(&subject));
        assert!(
            !scope.concerns(&Subject { place: None, ..subject }),
            "what is not known is not covered by tag or site"
        );
        assert!(
            other.concerns(&Subject { alert: None, ..subject }),
            "the asset itself is concerned"
        );
    }

    #[test]
    fn a_scope_that_names_nothing_is_a_mistake() {
        assert_eq!(Scope::default().mistakes().len(), 1);
        let scope = Scope {
            rules: vec![" ".to_owned()],
            ..Scope::default()
        };
        assert_eq!(scope.mistakes().len(), 1);
    }
}
