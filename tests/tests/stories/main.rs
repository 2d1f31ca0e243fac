//! Stories across real processes: what a duty team would see, told from outside.
#![allow(clippy::expect_used, clippy::panic, reason = "a broken assumption is a failed story")]

mod backup;
mod backup_jobs;
mod browser;
mod channels;
mod clocks;
mod crash;
mod daemon;
mod disk_full;
mod documents;
mod duty;
mod enrolment;
mod escaping;
mod evidence;
mod exchange;
mod fault_to_phone;
mod filling;
mod first_look;
mod gateways;
mod hostile;
mod identity;
mod logs;
mod measuring;
mod newer;
mod nobody;
mod overload;
mod paging_crash;
mod planned;
mod postgres;
mod reload;
mod retention;
mod rules_workbench;
mod silence;
