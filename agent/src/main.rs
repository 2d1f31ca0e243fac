//! `tocsin-agent`: reads the command line and calls the library.

use clap::Parser;
use std::{io::Write as _, process::ExitCode};
use tocsin_agent::{cli::Cli, commands};
use tocsin_vocabulary::Code;

fn main() -> ExitCode {
    // Fails only when one is installed, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match commands::dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "tocsin-agent: {error:#}");
            ExitCode::from(Code::Internal.exit_status())
        }
    }
}
