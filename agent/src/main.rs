//! `tocsin-agent`: reads the command line and calls the library.

use clap::Parser;
use std::{io::Write as _, process::ExitCode};
use tocsin_agent::{
    backup,
    cli::{Cli, Command},
    commands,
};
use tocsin_vocabulary::Code;

fn main() -> ExitCode {
    tocsin_thrift::share_one_heap();
    let words: Vec<_> = std::env::args_os().collect();
    backup::quick::step_aside(&words);
    if let Some(code) = backup::quick::exec(&words) {
        return code;
    }
    let command = Cli::parse_from(words).command;
    if !matches!(command, Command::Backup(_)) {
        // Fails only when one is installed, which is as good. A wrapped command needs none, and does not wait for it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    match commands::dispatch(command) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "tocsin-agent: {error:#}");
            ExitCode::from(Code::Internal.exit_status())
        }
    }
}
