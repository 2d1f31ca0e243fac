//! `[retention.NAME]` of `collector.toml`: classes of hosts whose samples are kept for other times than those of
//! `[metrics]`, and which hosts belong to them.
//!
//! A host belongs to a class by its name in the register, by one of its tags, or by its customer; what is said of it
//! more closely counts: its name before its tags, and these before its customer. Where two classes claim it alike, the
//! one that keeps samples longer has it. A host that none claims is of the class `default`, to which `[metrics]` belongs.
//!
//! The ledger owns the register, so who belongs where is read from it at the start and every minute
//! (`Membership`), long before an hour is sealed.

mod figures;
mod membership;

pub(crate) use figures::{exposition, words_of};
pub(crate) use membership::Membership;

use crate::toml_table::{Reader, Table};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    time::Duration,
};
use tocsin_desk::record::HostRecord;
use tocsin_metrics::{Retention, RetentionClass};
use tocsin_rules::Patterns;
use tocsin_vocabulary::{HostId, time::HumanDuration};

/// Shortest time for which anything is kept: what is sealed and folded works in days.
pub(crate) const RETENTION_MIN: Duration = Duration::from_secs(86_400);
/// Most classes: each has files of its own for each day.
pub const CLASSES_MAX: usize = 32;

/// One `[retention.NAME]`.
#[derive(Debug, Clone)]
struct Class {
    name: RetentionClass,
    kept: Retention,
    /// Names of customers.
    customers: Vec<String>,
    tags: Vec<String>,
    /// Patterns of hosts' names; none when it claims none by name.
    hosts: Option<Patterns>,
}

/// All of them, the one that keeps samples longest first.
#[derive(Debug, Clone, Default)]
pub struct Classes(Vec<Class>);

impl Classes {
    /// Takes the tables below `[retention]`; mistakes are noted. What a class leaves out is as for `default`.
    pub(crate) fn take<'a>(top: &mut Table<'a>, default: [Duration; 3], reader: &mut Reader<'a>) -> Self {
        let mut classes: Vec<Class> = Vec::new();
        let mut claimed = Claimed::new();
        for (name, span, table) in top.table("retention", reader).tables(reader) {
            let known = named(&name, &span, reader);
            // Read all the same, so that its other mistakes are told too.
            let class = Class::take(known.unwrap_or_default(), default, table, &mut claimed, reader);
            if known.is_some() && classes.len() == CLASSES_MAX {
                reader.mistake(span, format!("at most {CLASSES_MAX} retention classes"));
            }
            classes.push(class);
        }
        classes.sort_by_key(|class| {
            let Retention {
                raw,
                rollup_5m,
                rollup_1h,
            } = class.kept;
            (std::cmp::Reverse((raw, rollup_5m, rollup_1h)), class.name)
        });
        Self(classes)
    }

    /// Whether there is none but `default`.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How long each keeps what.
    #[must_use]
    pub fn kept(&self) -> BTreeMap<RetentionClass, Retention> {
        self.0.iter().map(|class| (class.name, class.kept)).collect()
    }

    /// The class of a host.
    #[must_use]
    pub fn of(&self, host: &HostRecord) -> RetentionClass {
        let by_name = |class: &&Class| class.hosts.as_ref().is_some_and(|hosts| hosts.matches(&host.name));
        let by_tag = |class: &&Class| class.tags.iter().any(|tag| host.tags.contains(tag));
        let by_customer = |class: &&Class| class.customers.contains(&host.customer_name);
        let all = || self.0.iter();
        let found = all()
            .find(by_name)
            .or_else(|| all().find(by_tag))
            .or_else(|| all().find(by_customer));
        found.map_or(RetentionClass::DEFAULT, |class| class.name)
    }

    /// The classes of these hosts, of all that are not of the default one.
    #[must_use]
    pub fn members(&self, hosts: &[HostRecord]) -> HashMap<HostId, RetentionClass> {
        let classes = hosts.iter().map(|host| (host.id, self.of(host)));
        classes.filter(|(_, class)| !class.is_default()).collect()
    }

    /// Customers that a class names and nobody entered.
    fn unknown_customers(&self, known: &[String]) -> Vec<(RetentionClass, &str)> {
        let all = self.0.iter().flat_map(|class| {
            let customers = class.customers.iter();
            customers.map(|customer| (class.name, customer.as_str()))
        });
        all.filter(|(_, customer)| !known.iter().any(|known| known == customer))
            .collect()
    }
}

/// The name of a table as that of a class.
fn named(name: &str, span: &Range<usize>, reader: &mut Reader<'_>) -> Option<RetentionClass> {
    match name.parse::<RetentionClass>() {
        Ok(class) if class.is_default() => {
            let what = "retention.default is what [metrics] says: set retention, retention_5m, retention_1h there";
            reader.mistake(span.clone(), what.to_owned());
            None
        }
        Ok(class) => Some(class),
        Err(error) => {
            reader.mistake(span.clone(), format!("[retention.{name}]: {error}"));
            None
        }
    }
}

/// Customers and tags that classes named so far, by key and word.
type Claimed = BTreeMap<(&'static str, String), RetentionClass>;

impl Class {
    fn take<'a>(
        name: RetentionClass,
        [raw, rollup_5m, rollup_1h]: [Duration; 3],
        mut table: Table<'a>,
        claimed: &mut Claimed,
        reader: &mut Reader<'a>,
    ) -> Self {
        let mut kept = Retention {
            raw,
            rollup_5m,
            rollup_1h,
        };
        for (key, slot) in [
            ("raw", &mut kept.raw),
            ("rollup_5m", &mut kept.rollup_5m),
            ("rollup_1h", &mut kept.rollup_1h),
        ] {
            if let Some((HumanDuration(given), span)) = table.take_spanned(key, reader) {
                if given < RETENTION_MIN {
                    reader.mistake(span, format!("{} must be at least 1d", table.name(key)));
                }
                *slot = given;
            }
        }
        let [customers, tags] = ["customers", "tags"].map(|key| {
            let (words, span) = words(key, &mut table, reader);
            for word in &words {
                let other = claimed.insert((key, word.clone()), name).filter(|other| *other != name);
                if let Some(other) = other {
                    let key = table.name(key);
                    reader.mistake(
                        span.clone(),
                        format!("{key}: `{word}` belongs to retention.{other} already"),
                    );
                }
            }
            words
        });
        let (hosts, _) = words("hosts", &mut table, reader);
        table.finish(reader);
        Self {
            name,
            kept,
            customers,
            tags,
            hosts: (!hosts.is_empty()).then(|| Patterns::new(hosts.iter().map(String::as_str))),
        }
    }
}

/// A list of words, none of them empty, and where it stands.
fn words<'a>(key: &'static str, table: &mut Table<'a>, reader: &mut Reader<'a>) -> (Vec<String>, Range<usize>) {
    let (words, span) = table.take_spanned::<Vec<String>>(key, reader).unwrap_or_default();
    if words.iter().any(String::is_empty) {
        reader.mistake(span.clone(), format!("{} has an empty entry", table.name(key)));
    }
    (words, span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use tocsin_desk::record::HostFacts;
    use tocsin_ledger::{DEFAULT_CONTRACT, DEFAULT_CUSTOMER, DEFAULT_SITE};
    use tocsin_vocabulary::{AssetId, Importance, Timestamp};

    fn host(name: &str, customer: &str, tags: &[&str]) -> HostRecord {
        HostRecord {
            id: HostId::from_bytes([1; 16]),
            asset: AssetId::from_bytes([1; 16]),
            name: name.to_owned(),
            customer: DEFAULT_CUSTOMER,
            customer_name: customer.to_owned(),
            contract: DEFAULT_CONTRACT,
            site: DEFAULT_SITE,
            site_name: String::new(),
            importance: Importance::Normal,
            facts: HostFacts::default(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            enrolled_at: Timestamp::from_millis(0),
            certificate_until: Timestamp::from_millis(0),
            generation: 1,
            revoked_at: None,
            interval_ms: 0,
            last_seen_at: None,
        }
    }

    fn days(days: u64) -> Duration {
        Duration::from_secs(days * 86_400)
    }

    #[test]
    fn a_class_has_its_own_times_and_what_it_leaves_out_is_as_for_all() {
        let text =
            "[metrics]\nretention = \"10d\"\n[retention.bank]\nraw = \"90d\"\nrollup_1h = \"3650d\"\n[retention.lab]\n";
        let config = Config::parse("c.toml", text).unwrap();
        let kept = config.retention_classes.kept();
        let of = |name: &str| {
            let kept = kept[&name.parse::<RetentionClass>().unwrap()];
            (kept.raw, kept.rollup_5m, kept.rollup_1h)
        };
        assert_eq!(kept.len(), 2);
        assert_eq!(of("bank"), (days(90), days(180), days(3_650)));
        assert_eq!(of("lab"), (days(10), days(180), days(1_826)));
        assert!(Config::parse("c.toml", "").unwrap().retention_classes.is_empty());
    }

    #[test]
    fn a_name_counts_before_a_tag_and_a_tag_before_a_customer() {
        let text = "[retention.bank]\nraw = \"90d\"\ncustomers = [\"某银行\"]\nhosts = [\"core-*\"]\n\
                    [retention.lab]\nraw = \"2d\"\ntags = [\"test\"]\nhosts = [\"*-lab\", \"!core-*\"]\n\
                    [retention.audit]\nraw = \"365d\"\nhosts = [\"core-db*\"]\n";
        let classes = Config::parse("c.toml", text).unwrap().retention_classes;
        for (name, customer, tags, class) in [
            ("web-1", "somebody", &[][..], "default"),
            ("web-1", "某银行", &[], "bank"),
            ("web-1", "某银行", &["prod", "test"], "lab"),
            ("core-1", "somebody", &["test"], "bank"),
            ("x-lab", "某银行", &[], "lab"),
            ("core-lab", "某银行", &[], "bank"),
            // Two claim it by name: the one that keeps longer.
            ("core-db1", "somebody", &[], "audit"),
        ] {
            assert_eq!(
                classes.of(&host(name, customer, tags)).as_str(),
                class,
                "{name} {customer} {tags:?}"
            );
        }
        let members = classes.members(&[host("web-1", "somebody", &[])]);
        assert!(members.is_empty(), "the default class needs no word");
        let known = ["默认客户 Default".to_owned()];
        assert_eq!(classes.unknown_customers(&known), [("bank".parse().unwrap(), "某银行")]);
    }

    #[test]
    fn all_mistakes_of_classes_come_together() {
        let text = "[retention.bank]\nraw = \"1h\"\nrollup_5m = \"soon\"\ncustomers = [\"a\", \"\"]\n\
                    [retention.Bank]\nraw = \"2d\"\ncolour = 1\n\
                    [retention.default]\nraw = \"2d\"\n\
                    [retention.other]\ncustomers = [\"b\", \"a\"]\nhosts = \"web\"\n\
                    [retention]\nlonely = 5\n";
        let mistakes = Config::parse("c.toml", text).unwrap_err();
        let lines: Vec<usize> = mistakes.mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 7, 8, 11, 12, 14], "{mistakes}");
        let told = mistakes.to_string();
        for word in [
            "small letters",
            "[metrics]",
            "belongs to retention.bank already",
            "write [retention.lonely]",
        ] {
            assert!(told.contains(word), "{word}: {told}");
        }
        let many: String = (0..=CLASSES_MAX)
            .map(|number| format!("[retention.c{number}]\n"))
            .collect();
        let mistakes = Config::parse("c.toml", &many).unwrap_err();
        assert!(mistakes.to_string().contains("at most 32"), "{mistakes}");
    }
}
