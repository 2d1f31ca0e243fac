//! Who a host says it is: name, system, processor, memory, addresses. Slow-moving; read at start and now and then.
//!
//! Read below a root path, so that a recorded tree has facts too. On this machine sysinfo fills in what takes more than
//! a file: the processor's name on ARM, the system's name without `os-release`, addresses.

use crate::sources::{Memory, Stat, fields, is_live, lines, number, read_path, text, trimmed};
use std::path::Path;
use tocsin_vocabulary::{Hash, Timestamp};

/// Most addresses that are told.
pub const ADDRESSES_MAX: usize = 64;

/// Who a host says it is. What is unknown is empty or zero. All of it is data, never to be trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Its own name.
    pub hostname: String,
    /// Operating system, such as `Debian GNU/Linux 12 (bookworm)`.
    pub os: String,
    /// Kernel release, such as `6.1.0-18-amd64`.
    pub kernel: String,
    /// Such as `x86_64`.
    pub architecture: String,
    /// Processor, as it names itself.
    pub cpu_model: String,
    /// Logical processors that are online.
    pub cpu_count: u32,
    /// Physical memory.
    pub memory_bytes: u64,
    /// SHA-256 of `/etc/machine-id` in hexadecimal, never the id itself (machine-id(5) asks for that).
    pub machine_id: String,
    /// When it booted; the epoch when unknown.
    pub boot_time: Timestamp,
    /// Version of this agent.
    pub agent_version: String,
    /// IP addresses, sorted, without those that only the host itself can reach.
    pub addresses: Vec<String>,
}

/// Reads the facts of the host below `root`.
#[must_use]
pub fn read(root: &Path) -> HostFacts {
    let mut buffer = Vec::new();
    let mut stat = Stat::default();
    if let Some(bytes) = read_path(&root.join("proc/stat"), &mut buffer) {
        stat.parse(bytes, false);
    }
    let memory = read_path(&root.join("proc/meminfo"), &mut buffer)
        .map(Memory::parse)
        .unwrap_or_default();
    let os = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|file| read_path(&root.join(file), &mut buffer).and_then(parse_os_release));
    let cpu_model = read_path(&root.join("proc/cpuinfo"), &mut buffer).and_then(parse_cpu_model);
    let boot_millis = stat
        .boot_seconds
        .and_then(|seconds| i64::try_from(seconds.checked_mul(1_000)?).ok());
    let mut facts = HostFacts {
        hostname: hostname(root),
        os: os.unwrap_or_default(),
        kernel: word(root, "proc/sys/kernel/osrelease"),
        architecture: word(root, "proc/sys/kernel/arch"),
        cpu_model: cpu_model.unwrap_or_default(),
        cpu_count: u32::try_from(stat.core_count).unwrap_or(u32::MAX),
        memory_bytes: memory.total.unwrap_or(0),
        machine_id: hashed_machine_id(root),
        boot_time: Timestamp::from_millis(boot_millis.unwrap_or(0)),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        addresses: Vec::new(),
    };
    if is_live(root) {
        complete(&mut facts);
    }
    facts
}

/// What the kernel calls the host below `root`; empty when it does not tell.
#[must_use]
pub fn hostname(root: &Path) -> String {
    word(root, "proc/sys/kernel/hostname")
}

/// The id of the current boot, `/proc/sys/kernel/random/boot_id`; empty when unknown.
#[must_use]
pub fn boot_id(root: &Path) -> String {
    word(root, "proc/sys/kernel/random/boot_id")
}

/// What only this machine itself can be asked.
fn complete(facts: &mut HostFacts) {
    let fill = |fact: &mut String, known: Option<String>| {
        if fact.is_empty() {
            *fact = known.unwrap_or_default();
        }
    };
    fill(&mut facts.hostname, sysinfo::System::host_name().ok());
    fill(&mut facts.os, sysinfo::System::long_os_version().ok());
    fill(&mut facts.kernel, sysinfo::System::kernel_version().ok());
    fill(&mut facts.architecture, Some(std::env::consts::ARCH.to_owned()));
    if facts.cpu_model.is_empty() {
        let kind = sysinfo::RefreshKind::nothing().with_cpu(sysinfo::CpuRefreshKind::nothing());
        let system = sysinfo::System::new_with_specifics(kind).ok();
        fill(
            &mut facts.cpu_model,
            system.and_then(|system| Some(system.cpus().first()?.brand().to_owned())),
        );
    }
    if let Ok(networks) = sysinfo::Networks::new_with_refreshed_list() {
        let all = networks
            .values()
            .flat_map(sysinfo::NetworkData::ip_networks)
            .map(|network| network.addr);
        facts.addresses = reachable(all);
    }
}

/// Sorted, without loopback and link-local addresses, bounded.
fn reachable(addresses: impl Iterator<Item = std::net::IpAddr>) -> Vec<String> {
    use std::net::IpAddr;
    let mut addresses: Vec<_> = addresses
        .filter(|address| match address {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    addresses.iter().map(ToString::to_string).collect()
}

fn word(root: &Path, file: &str) -> String {
    read_path(&root.join(file), &mut Vec::new())
        .map(|bytes| text(trimmed(bytes)))
        .unwrap_or_default()
}

fn hashed_machine_id(root: &Path) -> String {
    let id = word(root, "etc/machine-id");
    if id.is_empty() || id == "uninitialized" {
        String::new()
    } else {
        Hash::of(id.as_bytes()).to_string()
    }
}

/// `PRETTY_NAME` of os-release(5), without quotes and escapes; else `NAME` and `VERSION_ID`.
fn parse_os_release(bytes: &[u8]) -> Option<String> {
    let value = |key: &[u8]| {
        let line = lines(bytes).find_map(|line| line.strip_prefix(key)?.strip_prefix(b"="))?;
        let line = trimmed(line);
        let quoted = [b'"', b'\'']
            .into_iter()
            .find_map(|quote| line.strip_prefix(&[quote])?.strip_suffix(&[quote]));
        let plain: Vec<u8> = quoted
            .unwrap_or(line)
            .iter()
            .copied()
            .filter(|byte| *byte != b'\\')
            .collect();
        Some(text(&plain)).filter(|value| !value.is_empty())
    };
    value(b"PRETTY_NAME").or_else(|| {
        Some(
            [value(b"NAME")?, value(b"VERSION_ID").unwrap_or_default()]
                .join(" ")
                .trim_end()
                .to_owned(),
        )
    })
}

/// The processor's name in `/proc/cpuinfo`: `model name` on x86, `cpu` on POWER, `Model Name` on LoongArch,
/// `processor 0: version = …` on s390 does not name it. ARM mostly tells numbers alone.
pub(crate) fn parse_cpu_model(bytes: &[u8]) -> Option<String> {
    let pairs = || {
        lines(bytes).filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((trimmed(&line[..colon]), trimmed(&line[colon + 1..])))
        })
    };
    let named = pairs().find(|(key, value)| {
        let names_it = [&b"model name"[..], b"Model Name", b"cpu model"].contains(key)
            || (*key == b"cpu" && fields(value).next().and_then(number).is_none());
        names_it && !value.is_empty()
    });
    if let Some((_, name)) = named {
        return Some(text(name));
    }
    let value = |wanted: &[u8]| pairs().find(|(key, _)| *key == wanted).map(|(_, value)| text(value));
    let (maker, part) = (value(b"CPU implementer")?, value(b"CPU part")?);
    Some(arm_name(&maker, &part).map_or_else(|| format!("ARM {maker} {part}"), str::to_owned))
}

/// Names of ARM cores by implementer and part, as in their technical reference manuals (`MIDR_EL1`).
fn arm_name(maker: &str, part: &str) -> Option<&'static str> {
    Some(match (maker, part) {
        ("0x41", "0xd03") => "ARM Cortex-A53",
        ("0x41", "0xd07") => "ARM Cortex-A57",
        ("0x41", "0xd08") => "ARM Cortex-A72",
        ("0x41", "0xd0b") => "ARM Cortex-A76",
        ("0x41", "0xd0c") => "ARM Neoverse N1",
        ("0x41", "0xd40") => "ARM Neoverse V1",
        ("0x41", "0xd49") => "ARM Neoverse N2",
        ("0x41", "0xd4f") => "ARM Neoverse V2",
        ("0x48", "0xd01") => "HiSilicon TSV110 (Kunpeng 920)",
        ("0x70", "0x660") => "Phytium FTC660",
        ("0x70", "0x661") => "Phytium FTC661",
        ("0x70", "0x662") => "Phytium FTC662",
        ("0x70", "0x663") => "Phytium FTC663",
        ("0x70", "0x664") => "Phytium FTC664",
        ("0x70", "0x862") => "Phytium FTC862",
        ("0xc0", "0xac3") => "Ampere-1",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::any_like;
    use std::fs;

    #[test]
    fn a_recorded_tree_has_the_facts_of_its_own_host() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "proc/stat",
            "cpu  1 2 3 4\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nbtime 1700000000\n",
        );
        write("proc/meminfo", "MemTotal: 2048 kB\n");
        write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Example CPU @ 2GHz\n");
        write("proc/sys/kernel/hostname", "db-1\n");
        write("proc/sys/kernel/osrelease", "3.10.0-1160.el7.x86_64\n");
        write(
            "proc/sys/kernel/random/boot_id",
            "6c1f8a0e-0000-4000-8000-000000000000\n",
        );
        write(
            "etc/os-release",
            "NAME=\"Example Linux\"\nPRETTY_NAME=\"Example Linux 7 (Core)\"\n",
        );
        write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        let facts = read(root.path());
        assert_eq!(
            (facts.hostname.as_str(), facts.kernel.as_str()),
            ("db-1", "3.10.0-1160.el7.x86_64")
        );
        assert_eq!(
            (facts.os.as_str(), facts.cpu_model.as_str()),
            ("Example Linux 7 (Core)", "Example CPU @ 2GHz")
        );
        assert_eq!((facts.cpu_count, facts.memory_bytes), (2, 2_048 * 1_024));
        assert_eq!(facts.boot_time, Timestamp::from_millis(1_700_000_000_000));
        assert_eq!(
            facts.machine_id,
            Hash::of(b"0123456789abcdef0123456789abcdef").to_string()
        );
        assert_eq!(facts.architecture, "");
        assert_eq!(boot_id(root.path()), "6c1f8a0e-0000-4000-8000-000000000000");
    }

    #[test]
    fn systems_and_processors_of_china_are_named() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        for (tree, os, kernel, processor, cpus, mib) in [
            (
                "kylin-kunpeng",
                "Kylin Linux Advanced Server V10 (Lance)",
                "4.19.90-52.22.v2207.ky10.aarch64",
                "HiSilicon TSV110 (Kunpeng 920)",
                4,
                65_536,
            ),
            (
                "uos-phytium",
                "UnionTech OS Server 20",
                "4.19.0-91.77.97.uelc20.aarch64",
                "Phytium FTC663",
                2,
                32_768,
            ),
            (
                "openeuler-v2",
                "openEuler 22.03 (LTS-SP3)",
                "5.10.0-182.0.0.95.oe2203sp3.x86_64",
                "Hygon C86 7185 32-core Processor",
                2,
                16_384,
            ),
        ] {
            let facts = read(&fixtures.join(tree));
            assert_eq!((facts.os.as_str(), facts.kernel.as_str()), (os, kernel));
            assert_eq!((facts.cpu_model.as_str(), facts.cpu_count), (processor, cpus), "{tree}");
            assert_eq!(facts.memory_bytes, mib << 20, "{tree}");
        }
        let unknown = parse_cpu_model(b"processor: 0\nCPU implementer : 0x99\nCPU part : 0x001\n");
        assert_eq!(unknown.as_deref(), Some("ARM 0x99 0x001"));
    }

    #[test]
    fn this_machine_has_facts() {
        let facts = read(Path::new("/"));
        assert!(!facts.hostname.is_empty() && !facts.kernel.is_empty() && !facts.architecture.is_empty());
        assert!(facts.cpu_count > 0 && facts.memory_bytes > 0);
        assert!(facts.addresses.iter().all(|address| !address.starts_with("127.")));
    }

    #[test]
    fn an_empty_tree_has_no_facts() {
        let root = tempfile::tempdir().unwrap();
        let facts = HostFacts {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..HostFacts::default()
        };
        assert_eq!(read(root.path()), facts);
    }

    #[test]
    fn systems_are_named_with_and_without_a_pretty_name() {
        assert_eq!(
            parse_os_release(b"PRETTY_NAME='Kylin \\$V10'\n").as_deref(),
            Some("Kylin $V10")
        );
        assert_eq!(
            parse_os_release(b"NAME=Alpine\nVERSION_ID=3.20\n").as_deref(),
            Some("Alpine 3.20")
        );
        assert_eq!(parse_os_release(b"ID=x\n"), None);
    }

    #[test]
    fn only_reachable_addresses_are_told() {
        let all = [
            "127.0.0.1",
            "::1",
            "fe80::1",
            "169.254.1.1",
            "192.0.2.7",
            "2001:db8::1",
            "192.0.2.7",
        ];
        let all = all.iter().map(|address| address.parse().unwrap());
        assert_eq!(reachable(all), ["192.0.2.7", "2001:db8::1"]);
    }

    #[test]
    fn any_bytes_are_read() {
        any_like(
            &[
                include_str!("../fixtures/kylin-kunpeng/etc/os-release"),
                include_str!("../fixtures/kylin-kunpeng/proc/cpuinfo"),
            ],
            |bytes: &[u8]| {
                let _ = (parse_os_release(bytes), parse_cpu_model(bytes));
            },
        );
    }
}
