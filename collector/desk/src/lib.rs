//! The desk: alerts become faults, faults become tickets, tickets run clocks and page people. Pure.
//!
//! * [`model`] — what the desk keeps: alert, fault, ticket, clock, timeline entry, page, person,
//! * [`modem`] — what a modem's daemon keeps in tables,
//! * [`record`] — what the registers tell about it: filters, lists, hosts, tokens,
//! * [`input`] — everything that can happen, as one closed list,
//! * [`effect`] — everything that must then be written, in one commit,
//! * [`calendar`] — service hours, holidays, and what they make of a target,
//! * [`clocks`] — what is remembered of a ticket's times, and what that makes of its targets,
//! * [`policy`] — severity × importance → level, and the level's targets,
//! * [`roster`] — who is on duty when,
//! * [`duty`] — what people do about all that follows, as one closed list,
//! * [`escalation`] — who is paged about a ticket that nobody takes,
//! * [`handover`] — what one shift hands to the next,
//! * [`sheet`] — what a ticket bears beside its state: who called, signed steps, links, rating,
//! * [`paper`] — attachments, approvals, confirmations, call-backs,
//! * [`defect`] — work in signed steps: defects, complaints,
//! * [`term`] — promises beside a ticket's clocks,
//! * [`register`] — customers, sites, contracts, assets, spare parts, knowledge as sheets,
//! * [`account`] — downtime, availability, the end of maintenance, and the reports that are owed,
//! * [`life`] — the table of ticket states,
//! * [`planned`] — silences, maintenance windows and guarded periods,
//! * [`topology`] — where assets stand and what they hang on,
//! * [`withheld`], [`storm`], [`digest`] — what is told later, together, or as a part of something greater,
//! * [`backup`] — backup jobs: when they should run, and what a run is worth,
//! * [`step`] — [`step::Desk::step`]: input and `now` in, effects out.
//!
//! No clock, no file, no socket, no task: `now` is the last parameter.

pub mod account;
pub mod backup;
pub mod calendar;
pub mod clocks;
pub mod defect;
pub mod delivery;
pub mod digest;
pub mod duty;
pub mod effect;
pub mod escalation;
pub mod handover;
pub mod input;
pub mod life;
pub mod model;
pub mod modem;
pub mod paper;
pub mod planned;
pub mod policy;
pub mod record;
pub mod register;
pub mod roster;
pub mod sheet;
pub mod step;
pub mod storm;
pub mod term;
pub mod topology;
pub mod withheld;
