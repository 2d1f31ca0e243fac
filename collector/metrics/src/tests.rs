//! Stories of the whole store, on a disk in memory and on a real one.

mod backup;
mod crash;
mod damage;
mod formats;
mod head;
mod past;
mod retention;
mod rollup;
mod story;
pub(crate) mod world;
