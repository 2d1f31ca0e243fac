//! What `chronyc`, `ntpq` and `timedatectl` print.

/// What a time service says.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) service: &'static str,
    /// Server or reference clock that it follows; empty when it has none or does not say.
    pub(super) source: String,
    pub(super) synchronized: bool,
    /// Seconds by which the host's clock is ahead.
    pub(super) offset: Option<f64>,
}

/// chrony following its own clock: `127.127.1.1`.
const CHRONY_LOCAL: &str = "7F7F0101";
/// ntpd following its own clock (driver type 1).
const NTP_LOCAL: &str = "127.127.1.";
/// Columns of `ntpq -p` from 0.
const NTP_OFFSET: usize = 8;

fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `chronyc -n tracking`: `System time : 0.000012 seconds slow of NTP time`.
pub(super) fn chrony(text: &str) -> Option<Answer> {
    let leap = field(text, "Leap status")?;
    let reference = field(text, "Reference ID").unwrap_or_default();
    let local = reference.starts_with(CHRONY_LOCAL);
    let synchronized = !leap.starts_with("Not") && !local;
    let offset = field(text, "System time").and_then(|text| {
        let mut words = text.split_whitespace();
        let seconds = finite(words.next()?)?;
        match words.nth(1)? {
            "slow" => Some(-seconds),
            "fast" => Some(seconds),
            _ => None,
        }
    });
    let source = reference
        .split_once('(')
        .map_or(reference, |(_, source)| source.trim_end_matches(')'));
    Some(Answer {
        service: "chrony",
        source: if local { "local".to_owned() } else { source.to_owned() },
        synchronized,
        offset: offset.filter(|_| synchronized),
    })
}

/// `ntpq -p -n`: the peer that is followed has a `*`, or an `o` for a pulse; offsets are in ms, the peer's clock less ours.
pub(super) fn ntp(text: &str) -> Option<Answer> {
    let (_, peers) = text.split_once("===")?;
    let mut answer = Answer {
        service: "ntpd",
        ..Answer::default()
    };
    for line in peers.lines().skip(1) {
        let Some(line) = line.strip_prefix(['*', 'o']) else {
            continue;
        };
        let columns: Vec<&str> = line.split_whitespace().collect();
        let peer = columns.first().copied().unwrap_or_default();
        if peer.starts_with(NTP_LOCAL) {
            "local".clone_into(&mut answer.source);
            continue;
        }
        peer.clone_into(&mut answer.source);
        answer.synchronized = true;
        let offset = columns.get(NTP_OFFSET).and_then(|text| finite(text));
        answer.offset = offset.map(|milliseconds| -milliseconds / 1e3);
        break;
    }
    Some(answer)
}

/// `timedatectl timesync-status`: systemd-timesyncd; its offset is the server's clock less ours.
pub(super) fn timesync(text: &str) -> Option<Answer> {
    let server = field(text, "Server")?;
    let source = server.split_whitespace().next().unwrap_or_default();
    let offset = field(text, "Offset").and_then(span);
    let leap = field(text, "Leap");
    Some(Answer {
        service: "systemd-timesyncd",
        source: if source == "n/a" {
            String::new()
        } else {
            source.to_owned()
        },
        synchronized: offset.is_some() && leap.is_some_and(|leap| !leap.starts_with("not")),
        offset: offset.map(|seconds| -seconds),
    })
}

/// `timedatectl show`: only whether the kernel's clock is synchronised, by whomever.
pub(super) fn show(text: &str) -> Option<Answer> {
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.trim() == "yes")
    };
    whether(value("NTP"), value("NTPSynchronized")?)
}

/// `timedatectl status` as systemd prints it that has no `show`.
pub(super) fn status(text: &str) -> Option<Answer> {
    let yes = |text: &str| matches!(text, "yes" | "active");
    let enabled = ["NTP enabled", "NTP service", "Network time on"];
    let enabled = enabled.iter().find_map(|key| field(text, key)).map(yes);
    let synchronized = ["NTP synchronized", "System clock synchronized"];
    let synchronized = synchronized.iter().find_map(|key| field(text, key)).map(yes)?;
    whether(enabled, synchronized)
}

/// A clock that nobody keeps has no state.
fn whether(enabled: Option<bool>, synchronized: bool) -> Option<Answer> {
    (synchronized || enabled == Some(true)).then(|| Answer {
        service: "systemd",
        synchronized,
        ..Answer::default()
    })
}

/// A span as systemd prints it: `-1.342ms`, `+2min 3.5s`; in seconds.
pub(super) fn span(text: &str) -> Option<f64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1.0, text),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut sum = 0.0;
    for word in text.split_whitespace() {
        let at = word.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (figure, unit) = word.split_at(at);
        let unit = match unit {
            "us" | "\u{3bc}s" | "\u{b5}s" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3_600.0,
            "d" | "day" | "days" => 86_400.0,
            _ => return None,
        };
        sum += finite(figure)? * unit;
    }
    (!text.trim().is_empty()).then_some(sign * sum)
}
