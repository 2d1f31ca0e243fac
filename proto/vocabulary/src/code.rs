//! One closed list of what can go wrong, and how each edge says it.

use serde::{Deserialize, Serialize};

/// What went wrong, in the same words for HTTP, gRPC, the command line and the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Another change came first, or the state does not allow the action.
    Conflict,
    /// Configuration, file or database of a newer version, or not usable as it is.
    FailedPrecondition,
    /// Who is asking is known, and may not.
    Forbidden,
    /// A mistake of ours.
    Internal,
    /// The request itself is wrong.
    InvalidInput,
    /// No such thing, or not for this asker.
    NotFound,
    /// A limit was reached: rate, size, number.
    ResourceExhausted,
    /// Who is asking is not known.
    Unauthenticated,
    /// Try again later.
    Unavailable,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Conflict,
        Self::FailedPrecondition,
        Self::Forbidden,
        Self::Internal,
        Self::InvalidInput,
        Self::NotFound,
        Self::ResourceExhausted,
        Self::Unauthenticated,
        Self::Unavailable,
    ];

    /// HTTP status (RFC 9110).
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Conflict => 409,
            Self::FailedPrecondition => 412,
            Self::Forbidden => 403,
            Self::Internal => 500,
            Self::InvalidInput => 400,
            Self::NotFound => 404,
            Self::ResourceExhausted => 429,
            Self::Unauthenticated => 401,
            Self::Unavailable => 503,
        }
    }

    /// gRPC status number (`google.rpc.Code`).
    #[must_use]
    pub const fn grpc_status(self) -> i32 {
        match self {
            Self::Conflict => 10,
            Self::FailedPrecondition => 9,
            Self::Forbidden => 7,
            Self::Internal => 13,
            Self::InvalidInput => 3,
            Self::NotFound => 5,
            Self::ResourceExhausted => 8,
            Self::Unauthenticated => 16,
            Self::Unavailable => 14,
        }
    }

    /// Process exit status; 2 is what every command uses for wrong input.
    #[must_use]
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::InvalidInput => 2,
            Self::NotFound => 3,
            Self::Unauthenticated | Self::Forbidden => 4,
            Self::Conflict | Self::FailedPrecondition => 5,
            Self::ResourceExhausted | Self::Unavailable => 6,
            Self::Internal => 1,
        }
    }

    /// The key of the sentence that people read, and the `code` of a problem document (RFC 9457).
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::FailedPrecondition => "failed_precondition",
            Self::Forbidden => "forbidden",
            Self::Internal => "internal",
            Self::InvalidInput => "invalid_input",
            Self::NotFound => "not_found",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Unauthenticated => "unauthenticated",
            Self::Unavailable => "unavailable",
        }
    }
}
