//! How far the host's clock is off, and whether anybody keeps it right: asked of the time service that is there, chrony,
//! then ntpd, then systemd. Without one nothing is told.

mod answers;

use super::{Findings, Host, Part, PartStatus, Survey};
use answers::Answer;
use std::time::Duration;

/// These tools ask a service of this host.
const DEADLINE: Duration = Duration::from_secs(5);
/// After a start, services need some minutes.
const PATIENCE: Duration = Duration::from_secs(600);

/// Which tools, how they are asked, how they are read; the first answer counts.
type Question = (&'static str, &'static [&'static str], fn(&str) -> Option<Answer>);
const QUESTIONS: [Question; 5] = [
    ("chronyc", &["-n", "tracking"], answers::chrony),
    ("ntpq", &["-p", "-n"], answers::ntp),
    ("timedatectl", &["timesync-status"], answers::timesync),
    ("timedatectl", &["show"], answers::show),
    ("timedatectl", &["status"], answers::status),
];

/// Asks for the time service's opinion.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Since when it is not synchronised.
    lost: Option<Duration>,
}

impl Survey for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(120)
    }

    fn budget(&self) -> Duration {
        DEADLINE * 6
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let Some(answer) = ask(host) else { return };
        let mut part = Part::new("clock", "clock");
        part.detail("service", answer.service);
        part.detail("source", answer.source);
        if let Some(offset) = answer.offset {
            findings.value("tocsin.clock.offset", &[], offset);
        }
        findings.count("tocsin.clock.synchronized", &[], u64::from(answer.synchronized));
        if answer.synchronized {
            self.lost = None;
        } else {
            let lost = *self.lost.get_or_insert(host.mono);
            if host.mono.saturating_sub(lost) >= PATIENCE {
                part.judge(PartStatus::Degraded, "its time service has no source that it trusts");
            }
        }
        findings.part(part);
    }
}

fn ask(host: &Host) -> Option<Answer> {
    QUESTIONS.iter().find_map(|(tool, arguments, read)| {
        let output = host.tool(tool, arguments, DEADLINE)?.ok()?;
        read(&String::from_utf8_lossy(&output.out))
    })
}

#[cfg(test)]
mod tests;
