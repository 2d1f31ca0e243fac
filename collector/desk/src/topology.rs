//! Where assets stand, and what they hang on: host → switch → site, VM → hypervisor, file system → disk → controller.
//!
//! Between assets the register says it (`parent`); within one host the rules do: a rule names those that explain it, and an
//! alert hangs on the explaining one when both speak of the same part.

use std::collections::{BTreeMap, BTreeSet};
use tocsin_vocabulary::{AssetId, CustomerId, HostId, SiteId};

/// Longest way from an asset to the top. A ring, which the register refuses, would end here too.
pub const DEPTH_MAX: usize = 16;

/// What the desk knows of an asset beside its alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The asset.
    pub asset: AssetId,
    /// Its agent's host; none for what has no agent or was shut out.
    pub host: Option<HostId>,
    /// What people call it.
    pub name: String,
    /// Whose it is.
    pub customer: CustomerId,
    /// Where it stands.
    pub site: SiteId,
    /// The site's name.
    pub site_name: String,
    /// Free words.
    pub tags: Vec<String>,
    /// What it hangs on.
    pub parent: Option<AssetId>,
}

/// What rules say of each other, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Relations {
    /// Rules about silence: nothing is heard from a host. What hangs on such a host is not heard either.
    pub silence: BTreeSet<String>,
    /// Rule → the rules that explain it on the same host.
    pub explained_by: BTreeMap<String, Vec<String>>,
}

/// All assets, and how many hosts stand at each site.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Landscape {
    places: BTreeMap<AssetId, Place>,
    hosts: BTreeMap<SiteId, usize>,
}

impl Landscape {
    /// Of these assets.
    #[must_use]
    pub fn new(places: impl IntoIterator<Item = Place>) -> Self {
        let mut landscape = Self::default();
        for place in places {
            landscape.put(place);
        }
        landscape
    }

    /// Takes a place in, or its new row. A parent that would make a ring is left out: assets that hang on each other would
    /// keep each other's alerts from being told.
    pub fn put(&mut self, mut place: Place) {
        place.parent = place
            .parent
            .filter(|parent| self.may_hang(place.asset, *parent).is_ok());
        let (site, counts) = (place.site, place.host.is_some());
        if let Some(before) = self.places.insert(place.asset, place)
            && before.host.is_some()
            && let Some(hosts) = self.hosts.get_mut(&before.site)
        {
            *hosts = hosts.saturating_sub(1);
        }
        if counts {
            *self.hosts.entry(site).or_default() += 1;
        }
    }

    /// One asset.
    #[must_use]
    pub fn place(&self, asset: AssetId) -> Option<&Place> {
        self.places.get(&asset)
    }

    /// All assets.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.values()
    }

    /// How many hosts stand at a site.
    #[must_use]
    pub fn hosts_at(&self, site: SiteId) -> usize {
        self.hosts.get(&site).copied().unwrap_or(0)
    }

    /// What an asset hangs on, the nearest first.
    pub fn above(&self, asset: AssetId) -> impl Iterator<Item = AssetId> {
        let parent = |asset: &AssetId| self.places.get(asset).and_then(|place| place.parent);
        std::iter::successors(parent(&asset), move |asset| parent(asset)).take(DEPTH_MAX)
    }

    /// Whether `asset` may hang on `parent`: no ring comes of it, and the way up stays short.
    ///
    /// # Errors
    /// Why not, as a sentence.
    pub fn may_hang(&self, asset: AssetId, parent: AssetId) -> Result<(), String> {
        if asset == parent || self.above(parent).any(|above| above == asset) {
            return Err("it would hang on itself: choose another parent".to_owned());
        }
        if self.above(parent).count() + 1 >= DEPTH_MAX {
            return Err(format!("the way up would be longer than {DEPTH_MAX}"));
        }
        Ok(())
    }
}

/// Whether two instances of one host (`key=value,…`) speak of the same part: no attribute differs that both have, where
/// `sda` is taken to be a part of `sda1` and `/dev/sda1`.
#[must_use]
pub fn same_part(one: &str, other: &str) -> bool {
    let pairs = |text: &str| -> Vec<(String, String)> {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let (one, other) = (pairs(one), pairs(other));
    one.iter().all(|(key, value)| {
        let theirs = other.iter().find(|(their_key, _)| their_key == key);
        theirs.is_none_or(|(_, theirs)| part_of(value, theirs) || part_of(theirs, value))
    })
}

/// Whether `part` names a partition of `whole`, or the same device.
fn part_of(part: &str, whole: &str) -> bool {
    let (part, whole) = (part.trim_start_matches("/dev/"), whole.trim_start_matches("/dev/"));
    match part.strip_prefix(whole) {
        Some("") => true,
        Some(rest) if !whole.is_empty() => {
            let number = rest.strip_prefix('p').unwrap_or(rest);
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(n: u8, parent: Option<u8>) -> Place {
        Place {
            asset: AssetId::from_bytes([n; 16]),
            host: Some(HostId::from_bytes([n; 16])),
            name: format!("web-{n}"),
            customer: CustomerId::from_bytes([1; 16]),
            site: SiteId::from_bytes([1; 16]),
            site_name: "A".to_owned(),
            tags: Vec::new(),
            parent: parent.map(|n| AssetId::from_bytes([n; 16])),
        }
    }

    #[test]
    fn the_way_up_is_followed_and_rings_are_refused() {
        let mut landscape = Landscape::default();
        for place in [place(1, Some(2)), place(2, Some(3)), place(3, None)] {
            landscape.put(place);
        }
        let asset = |n: u8| AssetId::from_bytes([n; 16]);
        assert_eq!(landscape.above(asset(1)).collect::<Vec<_>>(), [asset(2), asset(3)]);
        assert!(landscape.may_hang(asset(3), asset(1)).is_err());
        assert!(landscape.may_hang(asset(3), asset(3)).is_err());
        assert!(landscape.may_hang(asset(4), asset(1)).is_ok());
        landscape.put(place(3, Some(1)));
        assert_eq!(landscape.above(asset(1)).collect::<Vec<_>>(), [asset(2), asset(3)]);
    }

    #[test]
    fn hosts_are_counted_once_each_and_no_longer_when_shut_out() {
        let mut landscape = Landscape::default();
        let site = SiteId::from_bytes([1; 16]);
        landscape.put(place(1, None));
        landscape.put(place(1, Some(2)));
        landscape.put(place(2, None));
        assert_eq!(landscape.hosts_at(site), 2);
        landscape.put(Place {
            host: None,
            ..place(2, None)
        });
        assert_eq!(landscape.hosts_at(site), 1);
    }

    #[test]
    fn a_partition_is_part_of_its_disk() {
        for (one, other, same) in [
            ("device=sda1,mount=/data", "device=sda", true),
            ("device=/dev/nvme0n1p2", "device=nvme0n1", true),
            ("device=sdaa", "device=sda", false),
            ("device=sdb1", "device=sda", false),
            ("mount=/data", "controller=0", true),
            ("", "device=sda", true),
            ("device=sda", "device=", false),
        ] {
            assert_eq!(same_part(one, other), same, "{one} {other}");
            assert_eq!(same_part(other, one), same, "{other} {one}");
        }
    }
}
