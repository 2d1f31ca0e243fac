//! The operating system, those who may sign in, and what is mounted.

use super::Host;
use serde::Serialize;
use std::collections::BTreeMap;

/// Release files beside `os-release`, as Chinese distributions and old ones have them. The first line is told.
const RELEASES: [&str; 8] = [
    "etc/kylin-release",
    "etc/neokylin-release",
    "etc/openEuler-release",
    "etc/uos-release",
    "etc/UnionTech-release",
    "etc/anolis-release",
    "etc/redhat-release",
    "etc/debian_version",
];
/// File systems of the kernel's own making, and those of containers.
const NO_MOUNTS: [&str; 24] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.gvfsd-fuse",
    "fuse.portal",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "squashfs",
    "sysfs",
    "tracefs",
];
/// Most mounts that are told.
const MOUNTS_MAX: usize = 2_000;
/// Groups whose members may do more than others.
const STRONG_GROUPS: [&str; 6] = ["adm", "admin", "docker", "root", "sudo", "wheel"];

/// Name, version and build of the operating system, kernel, security module.
pub(super) fn system(host: &Host) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let release = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|path| host.text(path))
        .unwrap_or_default();
    for (key, value) in pairs(&release) {
        if ["NAME", "VERSION", "VERSION_ID", "ID", "PRETTY_NAME", "BUILD_ID"].contains(&key) {
            found.insert(key.to_ascii_lowercase(), value);
        }
    }
    if let Some(line) = RELEASES.iter().find_map(|path| host.text(path)) {
        let line = line.lines().next().unwrap_or_default();
        found.insert("release".to_owned(), line.chars().take(200).collect());
    }
    // UOS keeps edition and build in an INI file, Kylin its build in one of its own.
    for (path, keys) in [
        (
            "etc/os-version",
            &["SystemName", "EditionName", "MajorVersion", "MinorVersion", "OsBuild"][..],
        ),
        ("etc/.kyinfo", &["milestone", "arch", "dist_id"][..]),
    ] {
        let text = host.text(path).unwrap_or_default();
        for (key, value) in pairs(&text).filter(|(key, _)| keys.contains(key)) {
            found.insert(key.to_ascii_lowercase(), value);
        }
    }
    for (name, path) in [
        ("kernel", "proc/sys/kernel/osrelease"),
        ("kernel_build", "proc/sys/kernel/version"),
        ("hostname", "proc/sys/kernel/hostname"),
        ("hypervisor", "sys/hypervisor/type"),
        ("timezone", "etc/timezone"),
    ] {
        if let Some(text) = host.text(path).filter(|text| !text.is_empty()) {
            found.insert(name.to_owned(), text);
        }
    }
    if let Some(flag) = host.number("sys/fs/selinux/enforce") {
        let mode = if flag == 1 { "enforcing" } else { "permissive" };
        found.insert("selinux".to_owned(), mode.to_owned());
    }
    found
}

/// `KEY=value` and `key = "value"`, line by line.
fn pairs(text: &str) -> impl Iterator<Item = (&str, String)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        (!value.is_empty()).then(|| (key.trim(), value.to_owned()))
    })
}

/// Somebody who may sign in.
#[derive(Debug, Serialize)]
pub(super) struct User {
    name: String,
    uid: u32,
    home: String,
    shell: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
}

/// Users with a shell, by number.
pub(super) fn users(host: &Host) -> Vec<User> {
    let strong = strong_groups(&host.text("etc/group").unwrap_or_default());
    let passwd = host.text("etc/passwd").unwrap_or_default();
    let mut users: Vec<User> = passwd.lines().filter_map(|line| user(line, &strong)).collect();
    users.sort_by(|a, b| (a.uid, &a.name).cmp(&(b.uid, &b.name)));
    users
}

fn user(line: &str, strong: &BTreeMap<String, Vec<String>>) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let home = fields.nth(2)?;
    let shell = fields.next()?.trim();
    let closed = ["nologin", "false", "sync", "halt", "shutdown"];
    if closed.iter().any(|word| shell.ends_with(word)) {
        return None;
    }
    let groups = strong
        .iter()
        .filter(|(_, members)| members.iter().any(|member| member == name));
    Some(User {
        name: name.to_owned(),
        uid,
        home: home.to_owned(),
        // An empty field means the default shell (passwd(5)).
        shell: if shell.is_empty() { "/bin/sh" } else { shell }.to_owned(),
        groups: groups.map(|(group, _)| group.clone()).collect(),
    })
}

fn strong_groups(text: &str) -> BTreeMap<String, Vec<String>> {
    let group = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| STRONG_GROUPS.contains(name))?;
        let members = fields.nth(2)?.split(',').filter(|member| !member.is_empty());
        Some((name.to_owned(), members.map(str::to_owned).collect()))
    };
    text.lines().filter_map(group).collect()
}

/// A mounted file system.
#[derive(Debug, Serialize)]
pub(super) struct Mount {
    place: String,
    source: String,
    r#type: String,
    options: String,
}

/// What is mounted that somebody chose to mount, by place.
pub(super) fn mounts(host: &Host) -> Vec<Mount> {
    let text = host
        .text("proc/1/mounts")
        .or_else(|| host.text("proc/self/mounts"))
        .unwrap_or_default();
    let mut mounts: Vec<Mount> = text.lines().filter_map(mount).take(MOUNTS_MAX).collect();
    mounts.sort_by(|a, b| a.place.cmp(&b.place));
    mounts
}

fn mount(line: &str) -> Option<Mount> {
    let mut fields = line.split(' ');
    let source = unescaped(fields.next()?);
    let place = unescaped(fields.next()?);
    let kind = fields.next()?;
    let options = fields.next()?;
    let passing = [
        "/run/user/",
        "/run/credentials/",
        "/var/lib/docker/",
        "/var/lib/containers/",
        "/snap/",
    ];
    if NO_MOUNTS.contains(&kind) || passing.iter().any(|folder| place.starts_with(folder)) {
        return None;
    }
    // Passwords of network file systems stand here on old kernels.
    let options = options
        .split(',')
        .filter(|option| !option.starts_with("pass") && !option.starts_with("cred"));
    Some(Mount {
        place,
        source,
        r#type: kind.to_owned(),
        options: options.collect::<Vec<_>>().join(","),
    })
}

/// `\040` and its kin, as proc(5) writes blanks.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 4).filter(|_| byte == b'\\');
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) => {
                out.push(escaped);
                at += 4;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;

    #[test]
    fn users_without_a_shell_are_left_out_and_strong_groups_are_told() {
        let strong = strong_groups("sudo:x:27:wang,li\nusers:x:100:zhao\n");
        let wang = user("wang:x:1000:1000:Wang:/home/wang:/bin/bash", &strong).unwrap();
        assert_eq!((wang.uid, wang.groups), (1_000, vec!["sudo".to_owned()]));
        assert!(user("daemon:x:1:1::/:/usr/sbin/nologin", &strong).is_none());
        assert_eq!(user("x:x:5:5::/:", &strong).unwrap().shell, "/bin/sh");
        assert!(user("broken:x", &strong).is_none());
    }

    #[test]
    fn a_mount_is_told_without_its_password() {
        let told = mount("//nas/x /mnt/my\\040share cifs rw,username=u,password=p,vers=3 0 0").unwrap();
        assert_eq!(
            (told.place.as_str(), told.options.as_str()),
            ("/mnt/my share", "rw,username=u,vers=3")
        );
        assert!(mount("proc /proc proc rw 0 0").is_none());
        assert!(mount("garbage").is_none());
    }

    #[test]
    fn any_line_is_survived() {
        bolero::check!().with_type::<String>().for_each(timed(|line: &String| {
            let _ = mount(line);
            let _ = user(line, &strong_groups(line));
            let _ = pairs(line).count();
        }));
    }
}
