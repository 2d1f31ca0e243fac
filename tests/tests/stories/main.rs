//! Stories across real processes: what a duty team would see, told from outside.
#![allow(clippy::expect_used, clippy::panic, reason = "a broken assumption is a failed story")]

mod backup;
mod browser;
mod crash;
mod daemon;
mod disk_full;
mod documents;
mod enrolment;
mod escaping;
mod exchange;
mod fault_to_phone;
mod filling;
mod first_look;
mod hostile;
mod identity;
mod logs;
mod measuring;
mod newer;
mod nobody;
mod overload;
mod postgres;
mod reload;
mod retention;
mod silence;
