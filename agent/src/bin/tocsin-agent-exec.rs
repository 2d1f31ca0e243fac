//! `tocsin-agent-exec`: the wrapper of `tocsin-agent backup exec` as a program of its own, a fraction of the agent's size.
//! The agent puts it in its own place when it lies beside it; the words are the same.

use std::{io::Write as _, process::ExitCode};
use tocsin_agent::backup::quick;
use tocsin_vocabulary::Code;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if quick::relay(&words) {
        return ExitCode::SUCCESS;
    }
    quick::exec(&words).unwrap_or_else(|| {
        // The agent looked at the words before: somebody called this by hand.
        let _ = writeln!(
            std::io::stderr(),
            "tocsin-agent-exec: only `backup exec` with --job, --pipefail, --rid and --state-dir before `--` is known here; \
             for all else call tocsin-agent"
        );
        ExitCode::from(Code::InvalidInput.exit_status())
    })
}
