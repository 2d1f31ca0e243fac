//! The three shapes in which the kernel prints counters of protocols.

use std::collections::BTreeMap;

/// `sockstat`: `TCP: inuse 4 orphan 0 …`.
#[derive(Debug, Default)]
pub(super) struct Stat(BTreeMap<(String, String), u64>);

impl Stat {
    pub(super) fn parse(text: &str) -> Self {
        let mut values = BTreeMap::new();
        for (protocol, rest) in text.lines().filter_map(|line| line.split_once(':')) {
            let mut words = rest.split_whitespace();
            while let (Some(name), Some(value)) = (words.next(), words.next()) {
                if let Ok(value) = value.parse() {
                    values.insert((protocol.trim().to_owned(), name.to_owned()), value);
                }
            }
        }
        Self(values)
    }

    pub(super) fn get(&self, protocol: &str, name: &str) -> Option<u64> {
        self.0.get(&(protocol.to_owned(), name.to_owned())).copied()
    }
}

/// `snmp` and `netstat`: a line of names, then a line of values, each beginning with the protocol.
#[derive(Debug, Default)]
pub(super) struct Pairs(BTreeMap<(String, String), u64>);

impl Pairs {
    pub(super) fn parse(text: &str) -> Self {
        let mut values = BTreeMap::new();
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        while let (Some((protocol, names)), Some((same, figures))) = (lines.next(), lines.next()) {
            if protocol != same {
                break;
            }
            for (name, figure) in names.split_whitespace().zip(figures.split_whitespace()) {
                if let Ok(figure) = figure.parse() {
                    values.insert((protocol.to_owned(), name.to_owned()), figure);
                }
            }
        }
        Self(values)
    }

    pub(super) fn get(&self, protocol: &str, name: &str) -> Option<u64> {
        self.0.get(&(protocol.to_owned(), name.to_owned())).copied()
    }
}

/// `snmp6`: a name and a value in each line.
pub(super) fn snmp6(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok())?
    })
}

/// `stat/nf_conntrack`: a line of names, then one of hexadecimal values per CPU. The sum of these columns.
pub(super) fn sum_hex(text: &str, columns: &[&str]) -> Option<u64> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next()?.split_whitespace().collect();
    let wanted: Vec<usize> = (0..names.len()).filter(|at| columns.contains(&names[*at])).collect();
    if wanted.is_empty() {
        return None;
    }
    let mut sum = 0_u64;
    for line in lines {
        let values: Vec<&str> = line.split_whitespace().collect();
        for at in &wanted {
            sum = sum.saturating_add(u64::from_str_radix(values.get(*at)?, 16).ok()?);
        }
    }
    Some(sum)
}
