//! For tests of this crate that judge random inputs: how long the slowest of them took.

use rustix::time::{ClockId, clock_gettime};
use std::{
    panic::RefUnwindSafe,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Most time of the processor that one input may take.
const LONGEST: Duration = Duration::from_secs(1);

/// `judge`, with the longest input timed: by the thread's own time on the processor, so that a busy machine changes
/// nothing. It is printed when the test ends.
pub(crate) fn timed<T: ?Sized>(judge: impl Fn(&T) + RefUnwindSafe) -> impl Fn(&T) + RefUnwindSafe {
    let slowest = Slowest(AtomicU64::new(0));
    move |input| {
        let began = spent();
        judge(input);
        slowest.note(spent().saturating_sub(began));
    }
}

/// In nanoseconds.
struct Slowest(AtomicU64);

impl Slowest {
    fn note(&self, took: Duration) {
        assert!(took <= LONGEST, "one input took {took:?}");
        self.0
            .fetch_max(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Slowest {
    fn drop(&mut self) {
        println!("slowest input: {} us", self.0.load(Ordering::Relaxed) / 1_000);
    }
}

fn spent() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Judges random inputs, and each time one of `samples` with noise in a few places: what is random alone rarely gets
/// beyond the first word of a format.
pub(crate) fn any_like(samples: &[&str], judge: impl Fn(&[u8]) + RefUnwindSafe) {
    bolero::check!().for_each(timed(|noise: &[u8]| {
        judge(noise);
        if let [which, noise @ ..] = noise {
            judge(&spoilt(samples[usize::from(*which) % samples.len()], noise));
        }
    }));
}

/// The sample with up to eight pieces of at most 15 bytes replaced.
fn spoilt(sample: &str, noise: &[u8]) -> Vec<u8> {
    let mut text = sample.as_bytes().to_vec();
    for piece in noise.chunks(8).take(noise.len() % 8 + 1) {
        let [low, high, goes, comes @ ..] = piece else { break };
        let at = usize::from(u16::from_le_bytes([*low, *high])) % (text.len() + 1);
        let end = (at + usize::from(goes % 16)).min(text.len());
        text.splice(at..end, comes.iter().copied());
    }
    text
}

#[test]
fn a_spoilt_sample_is_mostly_itself() {
    assert_eq!(spoilt("sample", &[]), b"sample");
    assert_eq!(spoilt("sample", &[2, 0, 3]), b"sae");
    assert_eq!(spoilt("sample", &[2, 0, 0, b'x']), b"saxmple");
    assert_eq!(spoilt("sample", &[255, 255, 255, 1, 2]), b"s\x01\x02");
}
