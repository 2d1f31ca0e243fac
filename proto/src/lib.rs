//! The wire between agent and collector: messages generated from `tocsin/v1/agent.proto`, and the names that both
//! sides must agree on.
//!
//! Wire types stop here: whoever receives a message turns it into the types of `tocsin-vocabulary` at once.

/// Generated from `tocsin/v1/agent.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::restriction
)]
pub mod v1 {
    tonic::include_proto!("tocsin.v1");
}

pub mod codec;
pub mod identity;
pub mod install;

/// The version of the stream's rules that this build speaks.
pub const PROTOCOL: u32 = 1;
/// Default port of the agents' listener (mTLS).
pub const AGENT_PORT: u16 = 7443;
/// Default port of enrolment (server authentication only).
pub const ENROL_PORT: u16 = 7444;
/// Largest message either side accepts, in bytes: a chunk of 60 key-frames of 20 000 series stays below it.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most ticks in one backlog chunk.
pub const CHUNK_TICKS_MAX: usize = 60;
/// Largest content of a document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of a document in one message.
pub const DOCUMENT_PIECE_BYTES_MAX: usize = 256 * 1024;
/// Longest name of a document, in bytes: what the index of a database takes.
pub const DOCUMENT_NAME_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::v1::{AgentMessage, CollectorMessage};
    use prost::Message as _;

    /// A message whose only field is one that this build does not know: number 99, of length 3.
    const OF_TOMORROW: [u8; 6] = [0x9a, 0x06, 0x03, b'n', b'e', b'w'];

    #[test]
    fn what_a_newer_side_says_is_nothing_to_an_older_one_and_no_error() {
        assert_eq!(AgentMessage::decode(&OF_TOMORROW[..]).unwrap().body, None);
        assert_eq!(CollectorMessage::decode(&OF_TOMORROW[..]).unwrap().body, None);
    }
}
