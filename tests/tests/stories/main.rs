//! Stories across real processes: what a duty team would see, told from outside.

mod crash;
mod daemon;
mod enrolment;
mod fault_to_phone;
mod hostile;
mod silence;
