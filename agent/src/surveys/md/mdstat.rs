//! `/proc/mdstat`.

/// One array.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub(super) name: String,
    pub(super) inactive: bool,
    /// It only holds the metadata of other arrays (Intel's and DDF's formats).
    pub(super) container: bool,
    /// `raid1`, …; empty when unknown.
    pub(super) level: String,
    pub(super) read_only: bool,
    /// Members that belong to the array when it is whole.
    pub(super) wanted: Option<u64>,
    /// Members that work.
    pub(super) present: Option<u64>,
    pub(super) members: Vec<Member>,
    /// What goes on, and how much of it is done, 0 to 1.
    pub(super) activity: Option<(Activity, Option<f64>)>,
}

/// One device of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) device: String,
    pub(super) role: Role,
}

/// What a device is in its array; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Active,
    Spare,
    Failed,
}

/// What an array does beside its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    Recovery,
    Resync,
    Reshape,
    /// Reads everything and compares; wanted, and no fault.
    Check,
}

/// All arrays of the table.
pub(super) fn arrays(text: &str) -> Vec<Array> {
    let mut arrays: Vec<Array> = Vec::new();
    for line in text.lines() {
        if line.starts_with(|c: char| c.is_whitespace()) {
            if let Some(array) = arrays.last_mut() {
                further(line, array);
            }
        } else if let Some((name, rest)) = line.split_once(" : ")
            && name.trim().starts_with("md")
        {
            arrays.push(first(name.trim(), rest));
        }
    }
    arrays
}

/// `active (auto-read-only) raid1 sda1[0](F) sdb1[1]`
fn first(name: &str, rest: &str) -> Array {
    let mut array = Array {
        name: name.to_owned(),
        inactive: false,
        container: false,
        level: String::new(),
        read_only: false,
        wanted: None,
        present: None,
        members: Vec::new(),
        activity: None,
    };
    for word in rest.split_whitespace() {
        match word {
            "active" => {}
            "inactive" | "broken" => array.inactive = true,
            "(read-only)" => array.read_only = true,
            _ if word.starts_with('(') => {}
            _ => match word.split_once('[') {
                Some((device, flags)) => array.members.push(member(device, flags)),
                None => word.clone_into(&mut array.level),
            },
        }
    }
    array
}

/// `sda1[0](W)(F)`; more than one flag may follow.
fn member(device: &str, flags: &str) -> Member {
    let role = if flags.contains("(F)") {
        Role::Failed
    } else if flags.contains("(S)") {
        Role::Spare
    } else {
        Role::Active
    };
    Member {
        device: device.to_owned(),
        role,
    }
}

/// The indented lines of an array: its size, `[4/3] [U_UU]`, and what goes on.
fn further(line: &str, array: &mut Array) {
    let words: Vec<&str> = line.split_whitespace().collect();
    if let Some(activity) = going_on(&words) {
        array.activity = Some(activity);
        return;
    }
    if words.get(1) != Some(&"blocks") {
        return;
    }
    let external = words.iter().find_map(|word| word.strip_prefix("external:"));
    array.container = array.inactive && external.is_some_and(|of| !of.contains('/'));
    for word in &words {
        let Some(inner) = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')) else {
            continue;
        };
        if let Some((wanted, present)) = inner.split_once('/') {
            (array.wanted, array.present) = (wanted.parse().ok(), present.parse().ok());
        }
    }
}

/// `[=>...] recovery = 8.5% (…)`, `resync=DELAYED`, `resync=PENDING`
fn going_on(words: &[&str]) -> Option<(Activity, Option<f64>)> {
    let activity = |word: &str| match word {
        "recovery" => Some(Activity::Recovery),
        "resync" => Some(Activity::Resync),
        "reshape" => Some(Activity::Reshape),
        "check" | "repair" => Some(Activity::Check),
        _ => None,
    };
    for (at, word) in words.iter().enumerate() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let Some(activity) = activity(name) else { continue };
        // Nothing was written yet since the array was started: it waits for the first write.
        let waits = value == "PENDING";
        let value = if value.is_empty() {
            words.get(at + 2).or_else(|| words.get(at + 1))
        } else {
            Some(&value)
        };
        let percent = value.and_then(|value| value.trim_start_matches('=').strip_suffix('%')?.parse::<f64>().ok());
        let share = percent
            .filter(|percent| (0.0..=100.0).contains(percent))
            .map(|percent| percent / 100.0);
        return (!waits).then_some((activity, share));
    }
    None
}
