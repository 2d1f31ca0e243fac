//! Questions that only root may ask the host's hardware: SMART of a disk, RAID controllers, volumes, paths, the baseboard
//! management controller.
//!
//! The agent has no privilege. An [`Errand`] is one tool with fixed arguments; the [list](errands) of all errands of a
//! host is made from its `/sys` and from which tools are installed, and by nothing else. An agent that is root, as in a
//! container, goes on its errands itself. Any other asks the [helper](serve), which systemd starts for each connection
//! to its socket (`tocsin-errand.socket`): the helper makes the same list by itself, and whoever asks gives only a place
//! in that list. Request and answer:
//!
//! ```text
//! list\n     →  LABEL\n for each errand
//! ask N\n    →  LABEL\n STATUS OUT ERR\n  then OUT bytes of standard output and ERR bytes of standard error
//!               LABEL\n late | absent | failed\n  when the tool told nothing
//! ```

mod client;
mod errands;
mod helper;

pub(crate) use client::{Answer, Way};
pub(crate) use errands::{Errand, NVME, errands, smart_disks};
pub(crate) use helper::serve;

/// Where the helper listens; `tocsin-errand.socket` says the same.
pub(crate) const SOCKET: &str = "/run/tocsin-errand.sock";

/// Most errands of one host: 500 disks and some tools, with room.
pub(crate) const ERRANDS_MAX: usize = 1_200;
