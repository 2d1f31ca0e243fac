//! Where channels and their keys stand in the file, so that mistakes which are found later still have their line.

use std::collections::HashMap;
use tocsin_channels::BuildMistake;

/// Where channels and their keys stand in a file, by name.
#[derive(Debug, Clone, Default)]
pub struct ChannelLines(HashMap<String, (usize, HashMap<String, usize>)>);

impl ChannelLines {
    /// Notes the table of a channel, whose head stands at `start`.
    pub(super) fn note(&mut self, channel: &str, text: &str, start: usize) {
        let before = text.get(..start).unwrap_or_default();
        let head = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let mut keys = HashMap::new();
        for (line, number) in text.lines().skip(head - 1).zip(head..) {
            if number > head && line.trim_start().starts_with('[') {
                break;
            }
            if let Some((key, _)) = line.split_once('=') {
                keys.entry(key.trim().to_owned()).or_insert(number);
            }
        }
        // A second table of this name has a line of its own in its own mistakes.
        self.0.insert(channel.to_owned(), (head, keys));
    }

    /// The line of a channel's key, or of its head.
    fn line(&self, channel: &str, key: Option<&str>) -> usize {
        let Some((head, keys)) = self.0.get(channel) else {
            return 1;
        };
        key.and_then(|key| keys.get(key)).copied().unwrap_or(*head)
    }

    /// Where a mistake stands that may begin with its key in backticks.
    pub(super) fn named(&self, channel: &str, mistake: &str) -> usize {
        let key = mistake.strip_prefix('`').and_then(|rest| rest.split('`').next());
        self.line(channel, key)
    }

    /// Where a mistake stands.
    #[must_use]
    pub fn of(&self, mistake: &BuildMistake) -> usize {
        match &mistake.key {
            Some(key) => self.line(&mistake.channel, Some(key)),
            None => self.named(&mistake.channel, &mistake.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_their_own_table() {
        let text =
            "a = 1\n[[channel]]\nname = \"x\"\nsecret_file = \"/s\"\n\n[[channel]]\nname = \"y\"\nca_file = \"/c\"\n";
        let mut lines = ChannelLines::default();
        lines.note("x", text, text.find("[[").unwrap());
        lines.note("y", text, text.rfind("[[").unwrap());
        let mistake = |channel: &str, key: Option<&str>, message: &str| BuildMistake {
            channel: channel.to_owned(),
            key: key.map(str::to_owned),
            message: message.to_owned(),
        };
        assert_eq!(lines.of(&mistake("x", Some("secret_file"), "")), 4);
        assert_eq!(lines.of(&mistake("y", Some("ca_file"), "")), 8);
        assert_eq!(lines.of(&mistake("y", Some("secret_file"), "")), 6, "the head");
        assert_eq!(lines.of(&mistake("x", None, "`name`: choose another")), 3);
    }
}
