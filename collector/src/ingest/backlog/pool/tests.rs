//! Whose turn it is, and that no more is given than there is room.

use super::*;
use proptest::prelude::*;

const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn pool(chunks: usize, bytes: usize) -> Pool {
    Pool::new(Room { chunks, bytes })
}

#[test]
fn the_line_goes_round_and_nobody_has_two_turns_before_another_has_one() {
    let mut pool = pool(2, 1_000);
    for stream in 1..=5 {
        pool.wants(stream, 10);
        pool.wants(stream, 10);
    }
    let mut turns = Vec::new();
    let mut given = pool.hand_out(START);
    while turns.len() < 15 {
        let stream = given.remove(0);
        turns.push(stream);
        assert_eq!(pool.arrives(stream, 20), Arrival::Taken);
        pool.done(stream);
        pool.wants(stream, 10);
        given.extend(pool.hand_out(START));
    }
    assert_eq!(turns, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
}

#[test]
fn large_chunks_take_the_room_of_many_and_one_alone_is_always_let_through() {
    let mut pool = pool(100, 1_000);
    for stream in 1..=4 {
        pool.wants(stream, 400);
    }
    assert_eq!(pool.hand_out(START), [1, 2]);
    assert_eq!(pool.arrives(1, 900), Arrival::Taken);
    pool.done(1);
    assert_eq!(pool.hand_out(START), [3], "what it really was no longer counts");
    for stream in 1..=4 {
        pool.leaves(stream);
    }
    pool.wants(9, 5_000);
    assert_eq!(pool.hand_out(START), [9]);
}

#[test]
fn a_stream_that_ends_gives_its_credit_back_and_its_chunk_counts_until_it_is_stored() {
    let mut pool = pool(1, 1_000);
    pool.wants(1, 10);
    pool.wants(2, 10);
    pool.wants(3, 10);
    assert_eq!(pool.hand_out(START), [1]);
    pool.leaves(1);
    assert_eq!(pool.hand_out(START), [2]);
    assert_eq!(pool.arrives(2, 10), Arrival::Taken);
    pool.leaves(2);
    assert_eq!(pool.hand_out(START), [] as [u64; 0]);
    pool.done(2);
    assert_eq!(pool.hand_out(START), [3]);
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn credit_that_lies_idle_goes_to_others_and_its_chunk_is_taken_when_there_is_room() {
    let mut pool = pool(1, 1_000);
    pool.wants(1, 10);
    pool.wants(2, 10);
    assert_eq!(pool.hand_out(START), [1]);
    pool.take_back(START.plus(PATIENCE - Duration::from_millis(1)));
    assert_eq!(pool.hand_out(START), [] as [u64; 0]);
    let later = START.plus(PATIENCE);
    pool.take_back(later);
    assert_eq!(pool.hand_out(later), [2]);
    assert_eq!(pool.arrives(1, 10), Arrival::Late);
    assert_eq!(pool.arrives(2, 10), Arrival::Taken);
    pool.done(2);
    assert_eq!(pool.arrives(1, 10), Arrival::Taken);
}

#[test]
fn backlog_without_credit_is_not_taken() {
    let mut pool = pool(1, 1_000);
    assert_eq!(pool.arrives(1, 10), Arrival::Unasked);
    pool.wants(1, 10);
    assert_eq!(pool.arrives(1, 10), Arrival::Unasked);
    pool.hand_out(START);
    assert_eq!(pool.arrives(1, 10), Arrival::Taken);
    assert_eq!(pool.arrives(1, 10), Arrival::Unasked);
}

proptest! {
    #[test]
    fn whatever_streams_do_no_more_is_granted_than_there_is_room_and_all_of_it_comes_back(
        steps in proptest::collection::vec((0_u8..6, 0_u64..12, 1_usize..300), 1..400),
    ) {
        let mut pool = pool(4, 1_000);
        let mut now = START;
        for (what, stream, bytes) in steps {
            match what {
                0 | 1 => pool.wants(stream, bytes),
                2 => { pool.arrives(stream, 200); }
                3 => pool.done(stream),
                4 => pool.leaves(stream),
                _ => {
                    now = now.plus(PATIENCE / 2);
                    pool.take_back(now);
                }
            }
            pool.hand_out(now);
            prop_assert!(pool.used().chunks <= 4, "{:?}", pool.used());
        }
        for stream in 0..12 {
            pool.leaves(stream);
            pool.done(stream);
        }
        prop_assert_eq!(pool.used(), Room { chunks: 0, bytes: 0 });
        prop_assert_eq!(pool.hand_out(now), [] as [u64; 0]);
    }
}
