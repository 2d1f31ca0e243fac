//! Messages to bytes and back, in buffers that begin small.
//!
//! A tick and its acknowledgement have some hundred bytes, and a collector holds two buffers for each of ten thousand
//! agents: of 8 KiB each, as gRPC libraries have them, they would be a third of what a connection takes. They grow where a
//! message needs it.

use prost::Message;
use std::marker::PhantomData;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// What a buffer begins with, and grows by, in bytes.
const BUFFER_BYTES: usize = 1_024;
/// Messages are sent when so many bytes of them are ready, or when no further one waits.
const FLUSH_BYTES: usize = 32 * 1_024;

/// Sends `T`, receives `U`.
#[derive(Debug, Clone)]
pub struct SmallCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for SmallCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for SmallCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER_BYTES, FLUSH_BYTES))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(BUFFER_BYTES, FLUSH_BYTES))
    }
}
