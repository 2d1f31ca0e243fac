//! What a channel may be like: its bounds, what is told when they do not hold, and how often.

use tocsin_channels::{Condition, config::Common};
use tocsin_desk::delivery::ChannelFigures;
use tocsin_vocabulary::{Level, Text, Timestamp, time::format_duration};

/// Looks in a row that must find trouble before people are told: a line that is back at once is no news.
const LOOKS_MIN: u32 = 4;
/// Deliveries of a day before their rate says anything.
const DELIVERIES_MIN: u64 = 5;
/// A level that quiet hours hold back.
const ORDINARY: Level = Level::new(2);

/// What is known of a channel's trouble.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// In how many looks in a row it was in trouble.
    looks: u32,
    /// Whether people were told.
    is_told: bool,
    /// Whether it was looked at since the start.
    is_known: bool,
}

impl Told {
    /// Whether this is the first look since the start: what was told before is not known then.
    pub(super) const fn is_first(&mut self) -> bool {
        !std::mem::replace(&mut self.is_known, true)
    }

    /// Takes a look; answers whether people are to be told of it.
    pub(super) fn look(&mut self, is_in_trouble: bool) -> bool {
        self.looks = if is_in_trouble { self.looks + 1 } else { 0 };
        let is_news = if self.is_told {
            !is_in_trouble
        } else {
            self.looks >= LOOKS_MIN
        };
        self.is_told ^= is_news;
        is_news
    }
}

/// What is wrong with a channel's line, or with what it does, by the bounds of its configuration.
pub(super) fn trouble(
    bounds: &Common,
    line: Option<&Condition>,
    figures: Option<&ChannelFigures>,
    now: Timestamp,
) -> Option<Text> {
    if let Some(line) = line {
        if !line.well {
            let detail = line.detail.as_str();
            return Some(Text::new(detail, format!("通路不正常\u{ff1a}{detail}")));
        }
        if let Some(percent) = line.signal_percent.filter(|percent| *percent < bounds.signal_min) {
            let least = bounds.signal_min;
            return Some(Text::new(
                format!("the modem's signal is {percent} %, less than {least} %"),
                format!("短信猫信号{percent}%\u{ff0c}低于{least}%"),
            ));
        }
        if let Some((left, least)) = line
            .balance
            .zip(bounds.balance_min)
            .filter(|(left, least)| left < least)
        {
            return Some(Text::new(
                format!("the balance is {left}, less than {least}: top it up"),
                format!("余额{left}\u{ff0c}低于{least}\u{ff0c}请充值"),
            ));
        }
    }
    let figures = figures?;
    // What waits for the end of quiet hours, or came due with it, waits as it should.
    let is_quiet = |at| bounds.quiet_until(ORDINARY, at).is_some();
    let waited = figures
        .oldest_at
        .filter(|_| !is_quiet(now) && !is_quiet(now.minus(bounds.queue_max.0)))
        .map(|since| now.since(since));
    if waited.is_some_and(|waited| waited > bounds.queue_max.0) {
        let (waiting, most) = (figures.waiting, format_duration(bounds.queue_max.0));
        return Some(Text::new(
            format!("{waiting} pages wait for it, the oldest for longer than {most}"),
            format!("有{waiting}条通知在等待\u{ff0c}最久的已超过{most}"),
        ));
    }
    let rate = figures.delivered * 100 / figures.accepted.max(1);
    let is_enough = figures.accepted >= DELIVERIES_MIN;
    let least = bounds
        .delivery_min
        .filter(|least| is_enough && rate < u64::from(*least))?;
    Some(Text::new(
        format!("{rate} % of what was taken within a day is known to have arrived, less than {least} %"),
        format!("一日内已知送达率{rate}%\u{ff0c}低于{least}%"),
    ))
}

/// How a channel that is well stands, with the figures that there are.
pub(super) fn standing(line: Option<&Condition>, figures: Option<&ChannelFigures>) -> String {
    let mut words = Vec::new();
    if let Some(line) = line {
        words.extend((!line.detail.is_empty()).then(|| line.detail.clone()));
        words.extend(line.signal_percent.map(|percent| format!("signal {percent} %")));
        words.extend(line.balance.map(|left| format!("balance {left}")));
    }
    if let Some(figures) = figures {
        let (taken, arrived) = (figures.accepted, figures.delivered);
        words.push(format!("{taken} taken within a day, {arrived} known to have arrived"));
        words.extend((figures.waiting > 0).then(|| format!("{} wait", figures.waiting)));
    }
    if words.is_empty() {
        words.push("nothing was sent within a day".to_owned());
    }
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    #[test]
    fn bounds_that_do_not_hold_are_told_with_their_figures() {
        let bounds = Common {
            delivery_min: Some(90),
            balance_min: Some(10.0),
            ..Common::default()
        };
        let well = Condition::new(true, "");
        let found = |line: Condition, figures: ChannelFigures| {
            trouble(&bounds, Some(&line), Some(&figures), NOW).map(|trouble| trouble.en)
        };
        let none = ChannelFigures::default;
        assert_eq!(found(well.clone(), none()), None);
        let weak = Condition {
            signal_percent: Some(10),
            ..well.clone()
        };
        assert!(found(weak, none()).unwrap().contains("10 %, less than 20 %"));
        let poor = Condition {
            balance: Some(9.5),
            ..well.clone()
        };
        assert!(found(poor, none()).unwrap().contains("balance is 9.5"));
        let waiting = ChannelFigures {
            waiting: 3,
            oldest_at: Some(NOW.minus(Duration::from_secs(1_201))),
            ..none()
        };
        assert!(found(well.clone(), waiting.clone()).unwrap().contains("3 pages wait"));
        // 2026-09-21T14:13:20Z is 22:13 in Beijing.
        let quiet = Common {
            quiet: Some("22:00-07:00".parse().unwrap()),
            ..Common::default()
        };
        assert_eq!(trouble(&quiet, None, Some(&waiting), NOW), None);
        let lost = |accepted, delivered| ChannelFigures {
            accepted,
            delivered,
            ..none()
        };
        assert!(found(well.clone(), lost(10, 8)).unwrap().starts_with("80 %"));
        assert_eq!(found(well.clone(), lost(10, 9)), None);
        assert_eq!(found(well, lost(4, 0)), None, "too few to say anything");
    }

    #[test]
    fn trouble_is_told_once_when_it_stays_and_once_when_it_is_over() {
        let mut told = Told::default();
        let looks = [true, true, false, true, true, true, true, true, false, false, true];
        let news = looks.map(|look| told.look(look));
        let wanted = [
            false, false, false, false, false, false, true, false, true, false, false,
        ];
        assert_eq!(news, wanted);
    }
}
