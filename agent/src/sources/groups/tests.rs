//! Which processes belong to a group, and what becomes of it.

use super::*;
use std::fs;
use std::time::Duration;

fn group(process: Option<&str>, command: Option<&str>, user: Option<&str>) -> ProcessGroup {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    ProcessGroup {
        name: "g".to_owned(),
        process: owned(process),
        command: owned(command),
        user: owned(user),
        ..ProcessGroup::default()
    }
}

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::create_dir_all(root.path().join("proc")).unwrap();
        fs::write(root.path().join("etc/passwd"), "root:x:0:0::/:\nwww:x:33:33::/:\n").unwrap();
        Self(root)
    }

    fn process(&self, pid: u32, name: &str, command: &str, started: u64) {
        let folder = self.0.path().join("proc").join(pid.to_string());
        fs::create_dir_all(&folder).unwrap();
        let stat = format!("{pid} ({name}) S 1 1 1 0 -1 0 0 0 0 0 100 50 0 0 20 0 2 0 {started} 0 10");
        fs::write(folder.join("stat"), stat).unwrap();
        fs::write(folder.join("cmdline"), command).unwrap();
        fs::write(folder.join("status"), "Name: x\nUid:\t33\t33\t33\t33\n").unwrap();
    }

    fn bits(&self, group: ProcessGroup, pid: u32) -> u64 {
        let mut folder = ProcessFolder::new(self.0.path());
        let process = folder.look(pid, Duration::ZERO, &mut Vec::new()).unwrap();
        Groups::new(vec![group], self.0.path()).matching(&process, &mut folder, &mut Vec::new())
    }
}

#[test]
fn all_conditions_of_a_group_must_hold() {
    let tree = Tree::new();
    tree.process(7, "java", "/usr/bin/java\0-jar\0app.jar\0", 1);
    for (name, command, user, expected) in [
        (Some("java"), None, None, 1),
        (Some("jav"), None, None, 0),
        (None, Some("-jar app.jar"), None, 1),
        (None, Some("other.jar"), None, 0),
        (Some("java"), Some("app.jar"), Some("www"), 1),
        (Some("java"), Some("app.jar"), Some("33"), 1),
        (Some("java"), None, Some("root"), 0),
        (Some("java"), None, Some("nobody here"), 0),
        (None, None, None, 0),
    ] {
        assert_eq!(
            tree.bits(group(name, command, user), 7),
            expected,
            "{name:?} {command:?} {user:?}"
        );
    }
}

#[test]
fn a_group_may_be_a_unit_or_a_cgroup() {
    let tree = Tree::new();
    tree.process(7, "nginx", "", 1);
    fs::write(tree.0.path().join("proc/7/cgroup"), "0::/system.slice/nginx.service\n").unwrap();
    let place = |unit: Option<&str>, cgroup: Option<&str>| ProcessGroup {
        unit: unit.map(str::to_owned),
        cgroup: cgroup.map(str::to_owned),
        ..group(None, None, None)
    };
    assert_eq!(tree.bits(place(Some("nginx.service"), None), 7), 1);
    assert_eq!(tree.bits(place(Some("ng*.service"), Some("/system.slice/*")), 7), 1);
    assert_eq!(tree.bits(place(Some("ng*.service"), Some("/user.slice/*")), 7), 0);
    assert_eq!(tree.bits(place(Some("db.service"), None), 7), 0);
}

#[test]
fn names_longer_than_the_kernel_keeps_are_compared_with_the_program() {
    let tree = Tree::new();
    tree.process(8, "a-very-long-nam", "/opt/a-very-long-name-of-a-daemon\0", 1);
    assert_eq!(tree.bits(group(Some("a-very-long-name-of-a-daemon"), None, None), 8), 1);
    assert_eq!(tree.bits(group(Some("a-very-long-name-of-another"), None, None), 8), 0);
}

#[test]
fn going_and_coming_back_is_told_once_each() {
    let tree = Tree::new();
    let mut groups = Groups::new(vec![group(Some("db"), None, None)], tree.0.path());
    tree.process(9, "db", "", 1);
    let mut alive = ProcessFolder::new(tree.0.path())
        .look(9, Duration::ZERO, &mut Vec::new())
        .unwrap();
    alive.groups = 1;
    let mut zombie = alive;
    zombie.state = b'Z';
    let mut names = |processes: &[Process]| {
        let mut events = Vec::new();
        groups.sum(processes, &mut events);
        events.into_iter().map(|event| event.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&[alive]), Vec::<&str>::new());
    assert_eq!(names(&[alive, alive]), Vec::<&str>::new());
    assert_eq!(names(&[zombie]), ["process.group.gone"]);
    assert_eq!(names(&[]), Vec::<&str>::new());
    assert_eq!(names(&[alive]), ["process.group.back"]);
}

#[test]
fn a_process_that_becomes_another_program_is_looked_at_again() {
    let tree = Tree::new();
    let mut groups = Groups::new(vec![group(None, Some("serve"), None)], tree.0.path());
    let mut folder = ProcessFolder::new(tree.0.path());
    let mut buffer = Vec::new();
    let mut look = |command: &str, before: Option<&Process>, uptime: u64| {
        tree.process(5, "python", command, 1_000);
        let mut process = folder.look(5, Duration::ZERO, &mut buffer).unwrap();
        groups.assign(&mut process, before, Some(uptime), &mut folder, &mut buffer);
        process
    };
    let young = look("python\0", None, 1_010);
    assert_eq!((young.groups, young.settled), (0, false));
    let grown = look("python\0serve\0", Some(&young), 1_300);
    assert_eq!((grown.groups, grown.settled), (1, true));
    let kept = look("renamed itself\0", Some(&grown), 9_999);
    assert_eq!(
        kept.groups, 1,
        "a settled process keeps its groups without reading its command line"
    );
}
