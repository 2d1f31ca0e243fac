//! What a snapshot says, and what a request may not do.

use super::{is_identifier, sections};
use crate::surveys::{
    Host,
    tool::{Output, ToolError, Tools},
};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Answers everything, and remembers what was run.
#[derive(Default)]
struct Recorder {
    ran: Mutex<Vec<String>>,
}

impl Tools for Recorder {
    fn has(&self, _: &str) -> bool {
        true
    }

    fn run(&self, name: &'static str, arguments: &[&str], deadline: Duration) -> Option<Result<Output, ToolError>> {
        self.ran.lock().unwrap().push(format!("{name} {}", arguments.join(" ")));
        Some(match name {
            "df" => Err(ToolError::Late("df", deadline)),
            _ => Ok(Output {
                status: 0,
                out: b"17 app --password=hunter2\n".to_vec(),
                err: Vec::new(),
            }),
        })
    }
}

fn taken(passed: Duration) -> (String, Vec<String>) {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/modern");
    let tools = Arc::new(Recorder::default());
    let host = Host::new(&tree, NOW, Duration::ZERO, Some(tools.clone()));
    let text = sections::take(&host, &|| passed);
    let ran = tools.ran.lock().unwrap().clone();
    (text, ran)
}

#[test]
fn a_snapshot_has_every_section_and_no_secret() {
    let (text, ran) = taken(Duration::ZERO);
    assert!(text.contains("== memory ==\n-- /proc/meminfo\nMemTotal:"), "{text}");
    assert!(
        text.contains("== processes by CPU ==\n17 app --password=********"),
        "{text}"
    );
    assert!(!text.contains("hunter2"));
    assert!(
        text.contains("== space of local file systems ==\n(`df` did not end within 4s)"),
        "{text}"
    );
    assert_eq!(ran, taken(Duration::ZERO).1, "what is run is fixed");
}

#[test]
fn what_the_time_does_not_reach_is_named() {
    let (text, ran) = taken(Duration::from_secs(60));
    assert!(text.contains("== memory ==\n(left out: the time was over)"), "{text}");
    assert_eq!(ran, [""; 0]);
}

#[test]
fn only_an_identifier_is_a_request() {
    assert!(is_identifier("0192f0c1-2345-7abc-8def-0123456789ab"));
    for bad in [
        "",
        "x; reboot",
        "../../etc/passwd",
        "0192f0c1-2345-7abc-8def-0123456789a/",
    ] {
        assert!(!is_identifier(bad), "{bad}");
    }
}
