//! What `multipath -ll` prints, in the formats of multipath-tools 0.4.7 (brackets) to today (trees).

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Map {
    /// Unique over all hosts and the same for ever.
    pub(super) wwid: String,
    /// Its alias.
    pub(super) name: String,
    /// Vendor and product of the array.
    pub(super) product: String,
    pub(super) size: String,
    pub(super) paths: Vec<Path>,
}

/// One way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// Host, channel, target, unit; `#:#:#:#` when its device is gone.
    pub(super) address: String,
    pub(super) device: String,
    pub(super) state: PathState,
    /// As printed: `failed faulty running`.
    pub(super) words: String,
}

/// How well a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathState {
    Working,
    /// It works now and then.
    Shaky,
    Failed,
}

/// All volumes of the listing.
pub(super) fn maps(text: &str) -> Vec<Map> {
    let mut maps: Vec<Map> = Vec::new();
    for line in text.lines() {
        let plain = line.replace(['[', ']'], " ");
        let inner = plain.trim_start_matches(|c: char| c.is_whitespace() || "|`-+\\_".contains(c));
        let words: Vec<&str> = inner.split_whitespace().collect();
        if let Some(map) = header(line, &words) {
            maps.push(map);
            continue;
        }
        let Some(map) = maps.last_mut() else { continue };
        if let Some(size) = words.iter().find_map(|word| word.strip_prefix("size=")) {
            size.clone_into(&mut map.size);
        }
        map.paths.extend(path(&words));
    }
    maps
}

/// `mpatha (36001405d…) dm-2 LIO-ORG,data`, or without an alias `36001405d… dm-2 LIO-ORG,data`; an action such as
/// `reload: ` may come first.
fn header(line: &str, words: &[&str]) -> Option<Map> {
    if line.starts_with(|c: char| c.is_whitespace() || "|`\\".contains(c)) {
        return None;
    }
    let is_dm = |word: &&str| {
        word.strip_prefix("dm-")
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    let at = words.iter().position(is_dm)?;
    let names: Vec<&str> = words[..at]
        .iter()
        .copied()
        .filter(|word| !word.ends_with(':'))
        .collect();
    let name = *names.first()?;
    let wwid = names.get(1).and_then(|word| word.strip_prefix('(')?.strip_suffix(')'));
    Some(Map {
        wwid: wwid.unwrap_or(name).to_owned(),
        name: name.to_owned(),
        product: words[at + 1..].join(" "),
        size: String::new(),
        paths: Vec::new(),
    })
}

/// `1:0:0:4 sdb 8:16 active ready running`
fn path(words: &[&str]) -> Option<Path> {
    let (address, rest) = words.split_first()?;
    let fields: Vec<&str> = address.split(':').collect();
    let number = |field: &&str| *field == "#" || (!field.is_empty() && field.bytes().all(|b| b.is_ascii_digit()));
    if fields.len() != 4 || !fields.iter().all(number) || rest.len() < 3 {
        return None;
    }
    let states = &rest[2..];
    let is = |wanted: &[&str]| states.iter().any(|state| wanted.contains(state));
    let state = if address.contains('#') || is(&["failed", "faulty", "offline", "down"]) {
        PathState::Failed
    } else if is(&["shaky", "delayed", "timeout"]) {
        PathState::Shaky
    } else {
        // `ghost` is the way over an array's passive controller: it works when it is needed.
        PathState::Working
    };
    Some(Path {
        address: (*address).to_owned(),
        device: rest[0].to_owned(),
        state,
        words: states.join(" "),
    })
}
