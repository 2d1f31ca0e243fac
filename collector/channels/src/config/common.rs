//! What every channel may say, whatever its kind.

use crate::{guard::Network, sms, template};
use serde::{Deserialize, Serialize};
use std::{str::FromStr, time::Duration};
use tocsin_vocabulary::{Level, Timestamp, time::HumanDuration};

/// Signs of a text in a company's name: 【…】 counts among the 70 characters of an SMS.
const SIGNATURE_CHARS_MAX: usize = 20;

/// The keys that every `[[channel]]` may have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Common {
    /// What destinations call it: lower-case letters, digits, `-`.
    pub name: String,
    /// Messages per minute, kept under what the provider allows. Without it: see the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// How many of a minute's messages only the worst level may use; without it a fifth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<u32>,
    /// Whether messages bear the link to the ticket; without it only SMS has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<bool>,
    /// The operator's registered signature, written 【…】 before every SMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Words of a message in Chinese, with `{number}`, `{level}`, … as `channel preview` lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_zh: Option<String>,
    /// The same in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_en: Option<String>,
    /// From when to when (`22:00-07:00`) pages wait, but for those of the worst level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// Minutes that local time is ahead of UTC, for quiet hours and times in texts: 480 is Beijing's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_offset_minutes: Option<i32>,
    /// Only these addresses may be reached, whatever the server's name resolves to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// How often a heartbeat is sent; without it none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_every: Option<HumanDuration>,
    /// To whom: a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_to: Option<String>,
    /// How soon a receipt of delivery is expected; without it none is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_within: Option<HumanDuration>,
    /// Least signal of its modem in percent, where that is told.
    #[serde(default = "signal_min")]
    pub signal_min: u8,
    /// How long a page may wait for it at most.
    #[serde(default = "queue_max")]
    pub queue_max: HumanDuration,
    /// How many percent of what was taken within a day must be known to have arrived; without it that is not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_min: Option<u8>,
    /// Least balance, where the provider tells one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance_min: Option<f64>,
}

/// A modem under a fifth of its scale loses messages.
const fn signal_min() -> u8 {
    20
}

/// Longer than a channel rests after a ban.
const fn queue_max() -> HumanDuration {
    HumanDuration(Duration::from_secs(1_200))
}

impl Default for Common {
    fn default() -> Self {
        Self {
            name: String::new(),
            per_minute: None,
            reserve: None,
            link: None,
            signature: None,
            template_zh: None,
            template_en: None,
            quiet: None,
            utc_offset_minutes: None,
            allow: Vec::new(),
            heartbeat_every: None,
            heartbeat_to: None,
            receipt_within: None,
            signal_min: signal_min(),
            queue_max: queue_max(),
            delivery_min: None,
            balance_min: None,
        }
    }
}

impl Common {
    /// All of the above.
    pub(crate) const KEYS: &'static [&'static str] = &[
        "name",
        "per_minute",
        "reserve",
        "link",
        "signature",
        "template_zh",
        "template_en",
        "quiet",
        "utc_offset_minutes",
        "allow",
        "heartbeat_every",
        "heartbeat_to",
        "receipt_within",
        "signal_min",
        "queue_max",
        "delivery_min",
        "balance_min",
    ];

    /// Local time's distance from UTC.
    #[must_use]
    pub fn utc_offset_minutes(&self) -> i32 {
        self.utc_offset_minutes.unwrap_or(480)
    }

    /// The allowed blocks; what is none of them is told by [`Common::mistakes`].
    pub(crate) fn networks(&self) -> Vec<Network> {
        self.allow.iter().filter_map(|block| block.parse().ok()).collect()
    }

    /// A guard for a host.
    pub(crate) fn guard(&self, host: &str) -> crate::guard::Guard {
        crate::guard::Guard::new(self.networks(), host)
    }

    /// Until when a page of this level waits; none: it may go.
    #[must_use]
    pub fn quiet_until(&self, level: Level, now: Timestamp) -> Option<Timestamp> {
        if level == Level::WORST {
            return None;
        }
        self.quiet.and_then(|quiet| quiet.until(self.utc_offset_minutes(), now))
    }

    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        if self.per_minute == Some(0) {
            mistakes.push("`per_minute`: 0 would send nothing ever".to_owned());
        }
        if self.reserve.zip(self.per_minute).is_some_and(|(kept, all)| kept >= all) {
            mistakes.push("`reserve` must be less than `per_minute`: ordinary pages need room too".to_owned());
        }
        if let Some(signature) = &self.signature {
            let plain = signature.trim_start_matches('【').trim_end_matches('】');
            if plain.is_empty() || plain.chars().count() > SIGNATURE_CHARS_MAX || plain.contains(['【', '】', '\n']) {
                mistakes.push(format!(
                    "`signature`: 1 to {SIGNATURE_CHARS_MAX} characters as registered with the operator, without 【】"
                ));
            } else if sms::units(&self.sign()) > sms::SINGLE_UNITS / 2 {
                mistakes.push("`signature` leaves no room for the message".to_owned());
            }
        }
        for (key, text) in [("template_zh", &self.template_zh), ("template_en", &self.template_en)] {
            if let Some(mistake) = text.as_deref().and_then(template::mistake) {
                mistakes.push(format!("`{key}`: {mistake}"));
            }
        }
        for block in &self.allow {
            if let Err(mistake) = block.parse::<Network>() {
                mistakes.push(format!("`allow`: {mistake}"));
            }
        }
        if self.heartbeat_every.is_some() != self.heartbeat_to.is_some() {
            mistakes.push("`heartbeat_every` and `heartbeat_to` go together: give both or neither".to_owned());
        }
        if self.heartbeat_every.is_some_and(|every| every.0 < HEARTBEAT_MIN) {
            mistakes.push("`heartbeat_every` is under 1m: a heartbeat must not use the channel up".to_owned());
        }
        if self.signal_min > 100 || self.delivery_min.is_some_and(|percent| percent > 100) {
            mistakes.push("`signal_min` and `delivery_min` are percent: 0 to 100".to_owned());
        }
        if self.queue_max.0 < QUEUE_MIN {
            mistakes.push("`queue_max` is under 1m: a page may wait so long for the channel's own pace".to_owned());
        }
        if self.utc_offset_minutes().abs() > 14 * 60 {
            mistakes.push("`utc_offset_minutes` is -840 to 840; Beijing's is 480".to_owned());
        }
    }

    /// The signature as it is written before a text; empty without one.
    #[must_use]
    pub fn sign(&self) -> String {
        self.signature.as_deref().map_or_else(String::new, |signature| {
            format!("【{}】", signature.trim_start_matches('【').trim_end_matches('】'))
        })
    }
}

/// Shortest time that a page may wait before that is told.
const QUEUE_MIN: Duration = Duration::from_secs(60);
/// Shortest time between two heartbeats.
const HEARTBEAT_MIN: Duration = Duration::from_secs(60);

const MINUTE_MILLIS: i64 = 60_000;
const DAY_MINUTES: i64 = 1_440;

/// Hours of a day in which pages wait: from one minute of the day to another, over midnight where the end is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    from: u16,
    to: u16,
}

impl Quiet {
    /// When they end, if it is within them now.
    fn until(self, utc_offset_minutes: i32, now: Timestamp) -> Option<Timestamp> {
        let local = now.as_millis().div_euclid(MINUTE_MILLIS) + i64::from(utc_offset_minutes);
        let minute = local.rem_euclid(DAY_MINUTES);
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        let within = if from < to {
            (from..to).contains(&minute)
        } else {
            minute >= from || minute < to
        };
        within.then(|| {
            let wait = (to - minute).rem_euclid(DAY_MINUTES);
            let begun = now.as_millis().div_euclid(MINUTE_MILLIS) * MINUTE_MILLIS;
            Timestamp::from_millis(begun + wait * MINUTE_MILLIS)
        })
    }
}

impl FromStr for Quiet {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no span of a day such as 22:00-07:00");
        let minute = |text: &str| -> Option<u16> {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (minute(from).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?);
        if from == to {
            return Err(wrong());
        }
        Ok(Self { from, to })
    }
}

impl<'de> Deserialize<'de> for Quiet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Quiet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (from, to) = (self.from, self.to);
        serializer.collect_str(&format_args!(
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(quiet: &str) -> Common {
        Common {
            quiet: Some(quiet.parse().unwrap()),
            ..Common::default()
        }
    }

    /// 2026-11-22, so many hours and minutes in Beijing.
    fn beijing(hour: i64, minute: i64) -> Timestamp {
        let midnight: Timestamp = "2026-11-21T16:00:00Z".parse().unwrap();
        Timestamp::from_millis(midnight.as_millis() + (hour * 60 + minute) * MINUTE_MILLIS)
    }

    #[test]
    fn quiet_hours_reach_over_midnight_and_never_silence_the_worst_level() {
        let night = common("22:00-07:00");
        let ordinary = Level::new(3);
        assert_eq!(night.quiet_until(ordinary, beijing(23, 0)), Some(beijing(31, 0)));
        assert_eq!(night.quiet_until(ordinary, beijing(2, 30)), Some(beijing(7, 0)));
        assert_eq!(night.quiet_until(ordinary, beijing(7, 0)), None);
        assert_eq!(night.quiet_until(ordinary, beijing(21, 59)), None);
        assert_eq!(night.quiet_until(Level::WORST, beijing(2, 30)), None);
        let noon = common("12:00-13:30");
        assert_eq!(noon.quiet_until(ordinary, beijing(12, 0)), Some(beijing(13, 30)));
        assert_eq!(noon.quiet_until(ordinary, beijing(13, 30)), None);
    }

    #[test]
    fn what_is_no_span_of_a_day_is_refused() {
        for text in ["", "22-7", "25:00-07:00", "22:00", "07:00-07:00"] {
            assert!(text.parse::<Quiet>().is_err(), "{text}");
        }
    }
}
