//! The desk: alerts become faults, faults become tickets, tickets run clocks and page people. Pure.
//!
//! * [`model`] — what the desk keeps: alert, fault, ticket, clock, timeline entry, page, person,
//! * [`record`] — what the registers tell about it: filters, lists, hosts, tokens,
//! * [`input`] — everything that can happen, as one closed list,
//! * [`effect`] — everything that must then be written, in one commit,
//! * [`policy`] — severity × importance → level, and the level's targets,
//! * [`life`] — the table of ticket states,
//! * [`step`] — [`step::Desk::step`]: input and `now` in, effects out.
//!
//! No clock, no file, no socket, no task: `now` is the last parameter.

pub mod effect;
pub mod input;
pub mod life;
pub mod model;
pub mod policy;
pub mod record;
pub mod step;
