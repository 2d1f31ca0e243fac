//! Orders of channels: a destination may be a channel, or an order of several that are tried one after another, other orders
//! for some people and levels.
//!
//! ```toml
//! [[paging.order]]
//! name = "phone"
//! channels = ["sms", "modem", "voice"]
//!
//! [[paging.order.exception]]
//! levels = [1]
//! people = ["wang"]
//! channels = ["voice", "sms"]
//! ```

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tocsin_vocabulary::Level;

/// One `[[paging.order]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What destinations call it.
    pub name: String,
    /// The channels, the first one first.
    pub channels: Vec<String>,
    /// Other orders for some; the first that fits holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exception: Vec<Exception>,
}

/// Another order for some people and levels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Ranks of levels; empty: all.
    #[serde(default)]
    pub levels: Vec<u8>,
    /// Logins; empty: everybody.
    #[serde(default)]
    pub people: Vec<String>,
    /// The channels, the first one first.
    pub channels: Vec<String>,
}

impl Order {
    /// Everything that is wrong with it, given the names of the channels there are.
    #[must_use]
    pub fn mistakes(&self, known: &[&str]) -> Vec<String> {
        let mut mistakes = Vec::new();
        if known.contains(&self.name.as_str()) || self.name == crate::inbox::INBOX {
            mistakes.push(format!("order `{}` has a channel's name: choose another", self.name));
        }
        let lists = std::iter::once(&self.channels).chain(self.exception.iter().map(|other| &other.channels));
        for channels in lists {
            if channels.is_empty() {
                mistakes.push(format!(
                    "order `{}` has a list without channels: nobody would be paged",
                    self.name
                ));
            }
            for name in channels.iter().filter(|name| !known.contains(&name.as_str())) {
                mistakes.push(format!("order `{}` names `{name}`, which is no [[channel]]", self.name));
            }
        }
        mistakes
    }
}

/// All orders.
#[derive(Debug, Clone, Default)]
pub struct Orders(HashMap<String, Order>);

impl Orders {
    /// By name.
    #[must_use]
    pub fn new(orders: &[Order]) -> Self {
        Self(orders.iter().map(|order| (order.name.clone(), order.clone())).collect())
    }

    /// The channels of a destination for a person's page of this level; a destination that is no order is a channel.
    #[must_use]
    pub fn channels<'a>(&'a self, destination: &'a str, level: Level, login: &str) -> Vec<&'a str> {
        let Some(order) = self.0.get(destination) else {
            return vec![destination];
        };
        let fits = |other: &&Exception| {
            (other.levels.is_empty() || other.levels.contains(&level.rank()))
                && (other.people.is_empty() || other.people.iter().any(|known| known == login))
        };
        let channels = order
            .exception
            .iter()
            .find(fits)
            .map_or(&order.channels, |other| &other.channels);
        channels.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        toml::from_str(
            "name = \"phone\"\nchannels = [\"sms\", \"voice\"]\n\
             [[exception]]\nlevels = [1]\npeople = [\"wang\"]\nchannels = [\"voice\", \"sms\"]\n",
        )
        .unwrap()
    }

    #[test]
    fn an_order_depends_on_person_and_level() {
        let orders = Orders::new(&[order()]);
        let channels = |level, login| orders.channels("phone", Level::new(level), login);
        assert_eq!(channels(1, "wang"), ["voice", "sms"]);
        assert_eq!(channels(2, "wang"), ["sms", "voice"]);
        assert_eq!(channels(1, "li"), ["sms", "voice"]);
        assert_eq!(orders.channels("mail", Level::new(1), "li"), ["mail"]);
    }

    #[test]
    fn an_order_of_channels_that_are_not_there_is_refused() {
        assert!(order().mistakes(&["sms", "voice"]).is_empty());
        assert_eq!(order().mistakes(&["sms", "phone"]).len(), 3);
    }
}
