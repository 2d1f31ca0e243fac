//! Which series a query wants.

use super::Query;
use std::{collections::HashMap, sync::Arc};
use tocsin_vocabulary::{Dictionary, Hash, Series};

/// The wanted series of a dictionary with their places in it, ascending.
pub(super) type Found = Arc<[(usize, Arc<Series>)]>;

/// Their places alone.
pub(super) type Places = Arc<[usize]>;

/// The query's choice, remembered for each dictionary.
pub(super) struct Wanted<'a> {
    query: &'a Query,
    known: HashMap<Hash, (Found, Places)>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(query: &'a Query) -> Self {
        Self {
            query,
            known: HashMap::new(),
        }
    }

    /// Whether any series of this name may be wanted.
    pub(super) fn metric(query: &Query, name: &str) -> bool {
        query.metrics.iter().any(|pattern| matches(pattern, name))
    }

    pub(super) fn of(&mut self, dictionary: &Dictionary) -> Found {
        self.find(dictionary).0.clone()
    }

    /// The places of the wanted series of a dictionary, ascending.
    pub(super) fn places(&mut self, dictionary: &Dictionary) -> Places {
        self.find(dictionary).1.clone()
    }

    fn find(&mut self, dictionary: &Dictionary) -> &(Found, Places) {
        let query = self.query;
        let find = || {
            let all = dictionary.series().enumerate();
            let wanted = all.filter(|(_, series)| Self::metric(query, &series.name) && has(query, series));
            let found: Found = wanted
                .map(|(index, series)| (index, Arc::new(series.clone())))
                .collect();
            let places = found.iter().map(|(index, _)| *index).collect();
            (found, places)
        };
        self.known.entry(dictionary.hash()).or_insert_with(find)
    }
}

fn has(query: &Query, series: &Series) -> bool {
    let attributes = &query.attributes;
    attributes
        .iter()
        .all(|(key, value)| series.attribute(key) == Some(value.as_str()))
}

/// Whether a name is meant by a pattern, in which `*` stands for any characters, also none.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or("");
    for part in parts {
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, expected) in [
            ("system.cpu.time", "system.cpu.time", true),
            ("system.cpu.time", "system.cpu", false),
            ("system.*", "system.cpu.time", true),
            ("*", "", true),
            ("*.time", "system.cpu.time", true),
            ("system.*.io", "system.disk.io", true),
            ("system.*.io", "system.io", false),
            ("a*a", "a", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} and {name}");
        }
    }
}
