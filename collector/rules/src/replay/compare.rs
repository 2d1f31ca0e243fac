//! What would have been beside what was.

use super::Episode;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{HostId, Severity, Text, Timestamp};

/// Two alerts this far apart may be the same: one began on a tick, the other with a timer, or after a restart.
const NEAR: Duration = Duration::from_secs(120);

/// An alert that there was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Real {
    /// Name of the rule.
    pub rule: String,
    /// Which host.
    pub host: HostId,
    /// As in an [`Episode`].
    pub instance: String,
    /// How bad it was when last told of.
    pub severity: Severity,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// When it cleared; none while it holds.
    pub cleared_at: Option<Timestamp>,
    /// In words.
    pub title: Text,
}

/// Both, side by side.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Compared {
    /// What would have been, in the order of time, and whether it was.
    pub episodes: Vec<(Episode, bool)>,
    /// What was, and would not have been, in the order of time.
    pub missing: Vec<Real>,
}

/// Holds them against each other: the same rule, host and instance, at the same time. Each is matched once.
#[must_use]
pub fn compare(episodes: Vec<Episode>, mut real: Vec<Real>) -> Compared {
    let mut episodes: Vec<(Episode, bool)> = episodes.into_iter().map(|episode| (episode, false)).collect();
    episodes.sort_by(|(one, _), (other, _)| key(one).cmp(&key(other)));
    real.sort_by(|one, other| {
        (one.raised_at, &one.rule, one.host, &one.instance).cmp(&(
            other.raised_at,
            &other.rule,
            other.host,
            &other.instance,
        ))
    });
    let mut missing = Vec::new();
    for one in real {
        let same = |(episode, matched): &&mut (Episode, bool)| !*matched && is_same(episode, &one);
        match episodes.iter_mut().find(same) {
            Some((_, matched)) => *matched = true,
            None => missing.push(one),
        }
    }
    Compared { episodes, missing }
}

fn key(episode: &Episode) -> (Timestamp, &str, HostId, &str) {
    (episode.raised_at, &episode.rule, episode.host, &episode.instance)
}

/// Whether they are of one thing and touch each other.
fn is_same(episode: &Episode, real: &Real) -> bool {
    let end = |cleared: Option<Timestamp>| cleared.map_or(Timestamp::from_millis(i64::MAX), |at| at.plus(NEAR));
    episode.rule == real.rule
        && episode.host == real.host
        && episode.instance == real.instance
        && episode.raised_at <= end(real.cleared_at)
        && real.raised_at <= end(episode.cleared_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostId = HostId::from_bytes([7; 16]);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn episode(instance: &str, from: i64, to: Option<i64>) -> Episode {
        Episode {
            rule: "a".to_owned(),
            host: HOST,
            instance: instance.to_owned(),
            severity: Severity::Major,
            action: "ticket".to_owned(),
            began_at: at(from),
            raised_at: at(from),
            cleared_at: to.map(at),
            title: Text::plain("t"),
            worst: None,
        }
    }

    fn real(instance: &str, from: i64, to: Option<i64>) -> Real {
        Real {
            rule: "a".to_owned(),
            host: HOST,
            instance: instance.to_owned(),
            severity: Severity::Major,
            raised_at: at(from),
            cleared_at: to.map(at),
            title: Text::plain("t"),
        }
    }

    #[test]
    fn each_alert_is_matched_once_with_one_of_its_own_time() {
        let would = vec![
            episode("/", 1_000, Some(2_000)),
            episode("/", 5_000, None),
            episode("/var", 1_000, Some(1_100)),
        ];
        let did = vec![
            real("/", 1_050, Some(2_010)),
            real("/", 3_000, Some(3_100)),
            real("/var", 1_150, Some(1_200)),
            real("/var", 9_000, None),
        ];
        let compared = compare(would, did);
        let matched: Vec<bool> = compared.episodes.iter().map(|(_, matched)| *matched).collect();
        assert_eq!(matched, [true, true, false]);
        let missing: Vec<Timestamp> = compared.missing.iter().map(|one| one.raised_at).collect();
        assert_eq!(missing, [at(3_000), at(9_000)]);
    }
}
