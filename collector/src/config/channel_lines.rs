//! Where channels and their keys stand in the file, so that mistakes which are found later still have their line.

use std::collections::HashMap;
use tocsin_channels::BuildMistake;

/// Where channels and their keys stand in a file, by name.
#[derive(Debug, Clone, Default)]
pub struct ChannelLines(HashMap<String, (usize, HashMap<String, usize>)>);

impl ChannelLines {
    /// Notes a channel's table.
    pub(super) fn note(&mut self, channel: &str, head: usize, keys: HashMap<String, usize>) {
        // A second table of this name has a line of its own in its own mistakes.
        self.0.insert(channel.to_owned(), (head, keys));
    }

    /// Whether there is a table of this name, good or not.
    pub(super) fn knows(&self, channel: &str) -> bool {
        self.0.contains_key(channel)
    }

    /// The line of a channel's key, or of its head.
    fn line(&self, channel: &str, key: Option<&str>) -> usize {
        let Some((head, keys)) = self.0.get(channel) else {
            return 1;
        };
        key.and_then(|key| keys.get(key)).copied().unwrap_or(*head)
    }

    /// Where a mistake stands: at its key, or at the first key in backticks that its message names.
    #[must_use]
    pub fn of(&self, mistake: &BuildMistake) -> usize {
        let named = || mistake.message.strip_prefix('`')?.split(['`', ' ']).next();
        self.line(&mistake.channel, mistake.key.as_deref().or_else(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_their_own_table() {
        let keys = |list: &[(&str, usize)]| list.iter().map(|(key, line)| ((*key).to_owned(), *line)).collect();
        let mut lines = ChannelLines::default();
        lines.note("x", 2, keys(&[("name", 3), ("secret_file", 4), ("security", 5)]));
        lines.note("y", 6, keys(&[("name", 7), ("ca_file", 8)]));
        let mistake = |channel: &str, key: Option<&str>, message: &str| BuildMistake {
            channel: channel.to_owned(),
            key: key.map(str::to_owned),
            message: message.to_owned(),
        };
        assert_eq!(lines.of(&mistake("x", Some("secret_file"), "")), 4);
        assert_eq!(lines.of(&mistake("y", Some("ca_file"), "")), 8);
        assert_eq!(lines.of(&mistake("y", Some("secret_file"), "")), 6, "the head");
        assert_eq!(lines.of(&mistake("x", None, "`name`: choose another")), 3);
        assert_eq!(
            lines.of(&mistake("x", None, "`security = \"none\"` to another machine")),
            5
        );
    }
}
