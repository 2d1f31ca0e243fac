//! `tocsin-agent check`: would the agent run as it is set up here?

use crate::{clock::Clock, config::Config, files, identity::Identity, probes};
use std::path::Path;
use tocsin_vocabulary::Timestamp;

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is as it should be.
    pub good: bool,
    /// What was looked at and found, with the remedy when it is not good.
    pub text: String,
}

/// Looks at configuration, state directory and identity. Changes nothing.
#[must_use]
pub fn check(config: &Path, state_dir: &Path, clock: &dyn Clock) -> Vec<Finding> {
    vec![
        check_config(config),
        check_state(state_dir),
        check_identity(state_dir, clock.wall()),
    ]
}

fn finding(good: bool, text: String) -> Finding {
    Finding { good, text }
}

fn check_config(path: &Path) -> Finding {
    match Config::load_or_default(path) {
        Ok(_) if !path.exists() => finding(
            true,
            format!("configuration: {} does not exist, so the defaults hold", path.display()),
        ),
        Ok(config) => match probes::command::pings_forbidden(&config.probes) {
            Some(reason) => finding(false, format!("configuration: {}: {reason}", path.display())),
            None => finding(true, format!("configuration: {}", path.display())),
        },
        Err(error) => finding(false, format!("configuration:\n{error}")),
    }
}

fn check_state(dir: &Path) -> Finding {
    let place = if dir.exists() { dir } else { dir.parent().unwrap_or(dir) };
    let probe = place.join(".tocsin-check");
    match files::write_synced(&probe, b"", 0o600) {
        Ok(()) => {
            let _ = std::fs::remove_file(&probe);
            finding(true, format!("state: {} can be written", dir.display()))
        }
        Err(error) => finding(false, format!("state: {:#}", anyhow::Error::from(error))),
    }
}

fn check_identity(dir: &Path, now: Timestamp) -> Finding {
    match Identity::load(dir) {
        Ok(identity) if identity.not_after <= now => finding(
            false,
            format!(
                "identity: certificate expired at {}: enrol again with --again",
                identity.not_after
            ),
        ),
        Ok(identity) => finding(
            true,
            format!("identity: host {}, until {}", identity.host, identity.not_after),
        ),
        Err(error) => finding(false, format!("identity: {:#}", anyhow::Error::from(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::SystemClock, testing::Site};

    #[test]
    fn each_part_is_judged_by_itself_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("agent.toml");
        std::fs::write(&config, "interval = 5").unwrap();
        let state = dir.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let good = |found: &[Finding]| found.iter().map(|finding| finding.good).collect::<Vec<_>>();

        assert_eq!(good(&check(&config, &state, &SystemClock)), [false, true, false]);
        assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0);

        std::fs::write(&config, "interval = \"5s\"").unwrap();
        Identity::store(&state, &Site::new().identity(1)).unwrap();
        assert_eq!(good(&check(&config, &state, &SystemClock)), [true, true, true]);
    }
}
