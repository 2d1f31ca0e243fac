//! `/proc/PID/cgroup`: where a process was put, and so which unit of systemd it belongs to (cgroups(7)).

use super::bytes::{fits, lines};

/// Suffixes of units that have processes.
const UNITS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

/// Paths of a process's cgroups: one in version 2, one of each hierarchy in version 1.
fn paths(bytes: &[u8]) -> impl Iterator<Item = (bool, &str)> {
    lines(bytes).filter_map(|line| {
        let mut columns = line.splitn(3, |byte| *byte == b':');
        let (_, controllers, path) = (columns.next()?, columns.next()?, columns.next()?);
        let systemd = controllers.is_empty() || controllers == b"name=systemd";
        Some((systemd, std::str::from_utf8(path).ok()?))
    })
}

/// Whether one of the cgroups fits `pattern`, in which `*` stands for any characters.
pub(crate) fn is_in(bytes: &[u8], pattern: &str) -> bool {
    paths(bytes).any(|(_, path)| fits(pattern, path))
}

/// The unit of systemd: the first part of the path below the slices.
pub(crate) fn unit(bytes: &[u8]) -> Option<&str> {
    let mut systemd = paths(bytes).filter(|(systemd, _)| *systemd);
    systemd.find_map(|(_, path)| {
        let unit = path
            .split('/')
            .find(|part| !part.is_empty() && !part.ends_with(".slice"))?;
        UNITS.iter().any(|suffix| unit.ends_with(suffix)).then_some(unit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;

    #[test]
    fn both_versions_name_the_unit() {
        for (text, expected) in [
            ("0::/system.slice/nginx.service\n", Some("nginx.service")),
            (
                "9:memory:/x\n1:name=systemd:/system.slice/system-postgresql.slice/postgresql@15-main.service\n",
                Some("postgresql@15-main.service"),
            ),
            (
                "0::/user.slice/user-0.slice/user@0.service/app.slice/a.service\n",
                Some("user@0.service"),
            ),
            ("0::/docker/0123\n", None),
            ("0::/\n", None),
            ("4:cpu:/a.service\n", None),
            ("", None),
        ] {
            assert_eq!(unit(text.as_bytes()), expected, "{text}");
        }
        let bytes = b"4:cpu,cpuacct:/docker/01\n1:name=systemd:/docker/01\n";
        assert!(is_in(bytes, "/docker/*"));
        assert!(!is_in(bytes, "/docker"));
    }

    #[test]
    fn any_bytes_are_read() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let _ = (unit(bytes), is_in(bytes, "/a*b"));
        }));
    }
}
