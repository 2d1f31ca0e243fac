//! The short way to `backup exec`: its usual options are read by hand, for the whole command line's parser would cost more
//! time and memory than all else that a wrapper does. Whatever is not usual goes the long way, which also explains.

use super::exec::{self, Order};
use crate::{cli::State, clock::SystemClock};
use std::{
    ffi::OsString,
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    path::PathBuf,
    process::{Command, ExitCode},
};
use tocsin_vocabulary::backup::job_name;

/// The small program.
const SMALL: &str = "tocsin-agent-exec";

/// Runs the command when `words`, the program's own name first, are a usual `backup exec`; else none.
#[must_use]
pub fn exec(words: &[OsString]) -> Option<ExitCode> {
    let order = read(words, std::env::var_os("TOCSIN_STATE_DIR").map(PathBuf::from))?;
    Some(exec::exec(&order, &SystemClock))
}

/// Copies on for a wrapper that has ended, when that is what `words` ask for.
#[must_use]
pub fn relay(words: &[OsString]) -> bool {
    let asked = words.iter().skip(1).eq(["backup", "relay"]);
    if asked {
        exec::relay_on();
    }
    asked
}

/// Puts the small program that does the same in this one's place, when `words` are a usual `backup exec` and it lies beside
/// this one; else comes back.
pub fn step_aside(words: &[OsString]) {
    if read(words, None).is_none() {
        return;
    }
    let beside = std::env::current_exe().map(|own| own.with_file_name(SMALL));
    if let (Ok(small), Some((name, rest))) = (beside, words.split_first())
        && small.is_file()
    {
        exec::leave_closed();
        // When it can't be put there, this one does the work.
        let _ = Command::new(small).arg0(name).args(rest).exec();
    }
}

fn read(words: &[OsString], environment: Option<PathBuf>) -> Option<Order> {
    let mut words = words.iter().skip(1);
    if words.next()? != "backup" || words.next()? != "exec" {
        return None;
    }
    let (mut job, mut rid, mut state_dir, mut pipefail) = (None, None, None, false);
    let command: Vec<OsString> = loop {
        let word = words.next()?;
        let slot = match word.as_bytes() {
            b"--" => break words.cloned().collect(),
            b"--pipefail" => {
                pipefail = true;
                continue;
            }
            b"--job" => &mut job,
            b"--rid" => &mut rid,
            b"--state-dir" => &mut state_dir,
            _ => return None,
        };
        let value = words.next()?;
        // Given twice, or like another option: the long way tells what is wrong.
        if slot.is_some() || value.as_bytes().starts_with(b"-") {
            return None;
        }
        *slot = Some(value.clone());
    };
    let job = job?.into_string().ok().filter(|job| !job_name(job).is_empty())?;
    let state = State {
        state_dir: state_dir.map(PathBuf::from),
    };
    (!command.is_empty()).then_some(Order {
        job,
        command,
        pipefail,
        warning_exit: Vec::new(),
        judge: None,
        artefact: None,
        rid: rid.unwrap_or_default().into_string().ok()?,
        state_dir: state.resolve(environment),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(words: &[&str]) -> Option<Order> {
        let words: Vec<OsString> = [&["tocsin-agent"], words].concat().iter().map(Into::into).collect();
        read(&words, Some(PathBuf::from("/env")))
    }

    #[test]
    fn usual_options_are_read_the_short_way_and_all_others_are_not() {
        let order = short(&[
            "backup",
            "exec",
            "--job",
            "n",
            "--pipefail",
            "--",
            "sh",
            "-c",
            "x",
            "--",
            "y",
        ])
        .unwrap();
        assert_eq!((order.job.as_str(), order.pipefail), ("n", true));
        assert_eq!(order.command, ["sh", "-c", "x", "--", "y"]);
        assert_eq!(order.state_dir, PathBuf::from("/env"));
        let order = short(&[
            "backup",
            "exec",
            "--state-dir",
            "/s",
            "--rid",
            "7",
            "--job",
            "n",
            "--",
            "x",
        ])
        .unwrap();
        assert_eq!((order.state_dir, order.rid.as_str()), (PathBuf::from("/s"), "7"));
        for unusual in [
            &["backup", "runs"][..],
            &["backup", "exec", "--help"],
            &["backup", "exec", "--job", "n"],
            &["backup", "exec", "--job", "n", "--"],
            &["backup", "exec", "--job", "", "--", "x"],
            &["backup", "exec", "--job", "--rid", "--", "x"],
            &["backup", "exec", "--job", "a", "--job", "b", "--", "x"],
            &["backup", "exec", "--job", "n", "--adapter", "restic", "--", "x"],
            &["backup", "exec", "--", "x"],
            &["run"],
            &[],
        ] {
            assert!(short(unusual).is_none(), "{unusual:?}");
        }
    }
}
