//! What a configuration may say, and how mistakes are told.

use super::*;
use crate::fuzzing::timed;

#[test]
fn all_mistakes_are_reported_at_once_with_line_and_hint() {
    let text =
        "interval = \"90s\"\nper_core = 1\nintervall = \"5s\"\n[spool]\nsize = \"1KB\"\n\n[[process]]\nname = 0\n";
    let mistakes = Config::parse(text).unwrap_err();
    let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 1: `interval`: `90s` is out of bounds (from 1s to 60s)",
            "line 2: `per_core` is a number, expected true or false",
            "line 3: `intervall` is not a setting (did you mean `interval`?)",
            "line 5: `spool.size`: `1KB` is not a size (such as 64MiB or 2GiB)",
            "line 8: `process.name` is a number, expected a text in quotes",
        ]
    );
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let mistakes = Config::parse("interval = \"10s\"\nper_core = maybe\n").unwrap_err();
    assert!(mistakes.iter().any(|mistake| mistake.line == 2), "{mistakes:?}");
}

#[test]
fn the_printed_configuration_means_the_defaults_commented_or_not() {
    assert_eq!(Config::parse(PRINTED), Ok(Config::default()));
    let bare: String = PRINTED
        .lines()
        .take_while(|line| !line.contains("An example"))
        .map(|line| {
            format!(
                "{}\n",
                line.strip_prefix("#")
                    .filter(|rest| !rest.starts_with(' '))
                    .unwrap_or(line)
            )
        })
        .collect();
    assert!(bare.contains("\ninterval = \"10s\""));
    assert_eq!(Config::parse(&bare), Ok(Config::default()));
}

#[test]
fn groups_of_processes_need_names_of_their_own() {
    let text = "[[process]]\nname = \"a\"\n[[process]]\nname = \"a\"\n[[process]]\ncommand = \"x\"\n";
    let told: Vec<usize> = Config::parse(text)
        .unwrap_err()
        .iter()
        .map(|mistake| mistake.line)
        .collect();
    assert_eq!(told, [3, 5]);
}

#[test]
fn a_full_configuration_reads() {
    let text = "collectors = [\"10.0.0.5:7443\", \"[fd00::5]:7443\"]\ninterval = \"5s\"\nper_core = true\nlog = \"debug\"\n\
        [spool]\nsize = \"1GiB\"\n[mounts]\nexclude = [\"/mnt/*\"]\n[interfaces]\nexclude = []\n\
        [[process]]\nname = \"db\"\ncommand = \"-D /srv\"\nuser = \"postgres\"\n[[process]]\nname = \"nginx\"\n";
    let config = Config::parse(text).unwrap();
    assert_eq!(config.collectors.len(), 2);
    assert_eq!(config.spool_bytes, 1 << 30);
    assert_eq!(config.interfaces_exclude, Vec::<String>::new());
    assert_eq!(config.processes[0].process, None);
    assert_eq!(config.processes[1].process.as_deref(), Some("nginx"));
}

#[test]
fn any_text_is_a_configuration_or_mistakes() {
    bolero::check!().for_each(timed(|bytes: &[u8]| {
        if let Ok(text) = std::str::from_utf8(bytes)
            && let Err(mistakes) = Config::parse(text)
        {
            assert!(!mistakes.is_empty());
        }
    }));
}

#[test]
fn a_missing_file_means_the_defaults_only_where_asked() {
    let path = Path::new("/nonexistent/agent.toml");
    assert_eq!(Config::load_or_default(path).unwrap(), Config::default());
    assert!(
        Config::load(path)
            .unwrap_err()
            .to_string()
            .starts_with("/nonexistent/agent.toml: cannot read")
    );
}

const PROBES: &str = r#"
[[probes.ping]]
name = "switch"
target = "192.0.2.1"
[[probes.tcp]]
name = "database"
target = "[fd00::1]:5432"
every = "5s"
timeout = "1s"
[[probes.http]]
name = "intranet"
url = "https://intranet.example/health"
status = ["2xx", "401"]
text = "healthy"
redirects = 0
ca = "/etc/ssl/own.pem"
verify = false
[[probes.certificate]]
name = "shop"
target = "shop.example:443"
"#;

#[test]
fn probes_of_all_kinds_read_with_their_defaults() {
    let probes = Config::parse(PROBES).unwrap().probes;
    let kinds: Vec<_> = probes.iter().map(|probe| probe.question.kind()).collect();
    assert_eq!(kinds, ["ping", "tcp", "http", "certificate"]);
    let paces: Vec<_> = probes
        .iter()
        .map(|probe| (probe.every.as_secs(), probe.timeout.as_secs()))
        .collect();
    assert_eq!(paces, [(30, 5), (5, 1), (30, 5), (3_600, 5)]);
    let crate::probes::Question::Http(page) = &probes[2].question else {
        panic!()
    };
    assert_eq!((page.status.len(), page.redirects, page.verify), (2, 0, false));
}

#[test]
fn mistakes_of_probes_are_told_with_line_and_hint() {
    let text = "[[probes.ping]]\nname = \"a\"\nrequests = 21\n[[probes.tcp]]\nname = \"b\"\ntarget = \"db\"\n\
        [[probes.http]]\nname = \"c\"\nurl = \"ftp://x/\"\nstatus = [\"ok\"]\n[[probes.certificate]]\ntarget = \"x:1\"\nevery = \"1s\"\n\
        timeout = \"2s\"\n[[probes.tcp]]\nname = \"d\"\ntarget = \"x:1\"\n[[probes.tcp]]\nname = \"d\"\ntarget = \"x:2\"\n[[probes.dns]]\n";
    let told: Vec<String> = Config::parse(text)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "line 1: a probe has no `target` (an address or a name, such as \"192.0.2.1\")",
            "line 3: `probes.ping.requests` is out of bounds (a whole number from 1 to 20)",
            "line 6: `probes.tcp.target`: `db` is not host:port (such as \"db.example:5432\")",
            "line 9: `probes.http.url`: it begins neither with http:// nor with https:// (such as \"https://intranet.example/health\")",
            "line 10: `probes.http.status`: `ok` is no status (such as \"200\" or \"2xx\")",
            "line 11: a probe has no `name` (such as \"intranet\")",
            "line 11: `timeout` 2s is longer than `every` (a probe must end before it is asked again)",
            "line 18: there are two probes named `d` (give each its own name)",
            "line 21: `probes.dns` is not a setting (known here: ping, tcp, http, certificate)",
        ]
    );
}

#[test]
fn services_of_backups_need_a_name_and_something_to_look_at() {
    let good = "[[backup_service]]\nname = \"restic\"\nrepository = \"/backup\"\ntool = \"restic\"\n\
                [[backup_service]]\nname = \"bareos\"\ntcp = \"127.0.0.1:9102\"\n";
    let services = Config::parse(good).unwrap().surveys.backup_services;
    assert_eq!(services.len(), 2);
    assert_eq!(services[1].tcp.as_deref(), Some("127.0.0.1:9102"));
    for (wrong, words) in [
        ("name = \"x\"", "needs `name` and one of"),
        ("process = \"x\"", "needs `name` and one of"),
        ("name = \"x\"\nprocess = \"x\"\ntool = \"borg\"", "which is not given"),
        ("name = \"x\"\nrepository = \"backup\"", "does not begin with /"),
        (
            "name = \"x\"\nrepository = \"/b\"\ntool = \"rsync\"",
            "has no locks that are known",
        ),
        ("name = \"x\"\ntcp = \"host\"", "is not host:port"),
        (
            "name = \"x\"\nunit = \"x\"\n[[backup_service]]\nname = \"x\"\nunit = \"x\"",
            "named twice",
        ),
    ] {
        let mistakes = Config::parse(&format!("[[backup_service]]\n{wrong}\n")).unwrap_err();
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|told| told.contains(words)), "{words}: {told:?}");
    }
}
