//! The codec as a whole: what goes in comes out, whatever it is.

use super::*;
use crate::series::{Dictionary, Kind, Section, Series};
use proptest::prelude::*;
use std::sync::Arc;

fn dictionary(kinds: &[Kind]) -> Dictionary {
    let series = kinds
        .iter()
        .enumerate()
        .map(|(at, &kind)| Series {
            name: format!("series.{at}").into(),
            attributes: Vec::new(),
            kind,
            unit: "1".into(),
            decimals: 0,
        })
        .collect();
    Dictionary::new(vec![Arc::new(Section::new(series))])
}

fn gauges(count: usize) -> Dictionary {
    dictionary(&vec![Kind::Gauge; count])
}

fn tick(time: i64, cells: Vec<Cell>) -> Tick {
    Tick {
        time: Timestamp::from_millis(time),
        cells,
    }
}

fn any_cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        8 => (-200_i64..200).prop_map(Cell::Scaled),
        2 => any::<i64>().prop_map(Cell::Scaled),
        2 => Just(Cell::Absent),
        1 => any::<u64>().prop_map(|bits| Cell::Raw(f64::from_bits(bits))),
        1 => prop::sample::select(vec![i64::MIN, i64::MAX, 0, 64, -64, 128]).prop_map(Cell::Scaled),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]).prop_map(Cell::Raw),
    ]
}

/// What happens to one cell from one tick to the next.
#[derive(Debug, Clone)]
enum Turn {
    Keep,
    Add(i64),
    Set(Cell),
}

fn any_turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        5 => Just(Turn::Keep),
        5 => (0_i64..5_000).prop_map(Turn::Add),
        1 => Just(Turn::Set(Cell::Scaled(0))),
        2 => any_cell().prop_map(Turn::Set),
    ]
}

#[derive(Debug, Clone)]
struct Step {
    pause: i64,
    key_frame: bool,
    other_dictionary: bool,
    turns: Vec<Turn>,
}

fn any_step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![3 => Just(10_000_i64), 2 => 9_990_i64..10_010, 1 => any::<i64>()];
    let often = |percent: f64| prop::bool::weighted(percent);
    (
        pause,
        often(0.15),
        often(0.1),
        prop::collection::vec(any_turn(), 0..150),
    )
        .prop_map(|(pause, key_frame, other_dictionary, turns)| Step {
            pause,
            key_frame,
            other_dictionary,
            turns,
        })
}

/// A host's life: ticks, the dictionary of each, and whether a key-frame was asked for.
fn any_life() -> impl Strategy<Value = Vec<(Tick, Dictionary, bool)>> {
    let kinds = prop::collection::vec(prop::bool::ANY, 0..140);
    (kinds.clone(), kinds, prop::collection::vec(any_step(), 1..14)).prop_map(|(first, second, steps)| {
        let kind = |counter: &bool| if *counter { Kind::Counter } else { Kind::Gauge };
        let dictionaries = [&first, &second].map(|kinds| dictionary(&kinds.iter().map(kind).collect::<Vec<_>>()));
        let (mut which, mut time) = (0, 0_i64);
        let mut cells = vec![Cell::Scaled(0); dictionaries[0].len()];
        steps
            .into_iter()
            .map(|step| {
                which ^= usize::from(step.other_dictionary);
                time = time.wrapping_add(step.pause);
                cells.resize(dictionaries[which].len(), Cell::Absent);
                for (cell, turn) in cells.iter_mut().zip(step.turns) {
                    *cell = match (turn, *cell) {
                        (Turn::Keep, cell) => cell,
                        (Turn::Add(more), Cell::Scaled(value)) => Cell::Scaled(value.wrapping_add(more)),
                        (Turn::Add(more), _) => Cell::Scaled(more),
                        (Turn::Set(cell), _) => cell,
                    };
                }
                (tick(time, cells.clone()), dictionaries[which].clone(), step.key_frame)
            })
            .collect()
    })
}

fn bits(words: &[u64], count: usize) -> Vec<bool> {
    (0..count).map(|at| words[at / 64] >> (at % 64) & 1 == 1).collect()
}

proptest! {
    #[test]
    fn chosen_cells_are_those_of_the_whole_tick(life in any_life(), chosen in prop::collection::vec(prop::bool::weighted(0.2), 140)) {
        let (mut encoder, mut picker) = (Encoder::new(), Picker::new());
        let choose = |of: &Dictionary| -> Vec<usize> { (0..of.len()).filter(|at| chosen[*at]).collect() };
        for (tick, of, key) in &life {
            let batch = encoder.encode(tick, of, *key);
            let picked = picker.pick(&batch, |hash| (hash == of.hash()).then(|| of.clone()), choose).unwrap();
            let cells: Vec<Cell> = choose(of).into_iter().map(|at| tick.cells[at]).collect();
            prop_assert_eq!((picked.tick.time, &picked.tick.cells), (tick.time, &cells));
            prop_assert_eq!(picked.dictionary.hash(), of.hash());
        }
        picker.reset();
        let error = picker.pick(&[0x10, 0], |_| None, choose).err();
        prop_assert_eq!(error, Some(BatchError::NoKeyFrame));
    }
}

proptest! {
    #[test]
    fn any_suffix_that_starts_with_a_key_frame_decodes_to_the_same_ticks(life in any_life()) {
        let mut encoder = Encoder::new();
        let batches: Vec<_> = life.iter().map(|(tick, of, key)| encoder.encode(tick, of, *key)).collect();
        for start in 0..life.len() {
            let (mut decoder, mut times) = (Decoder::new(), Times::new());
            let key_frame = peek(&batches[start]).unwrap().key_frame.is_some();
            if !key_frame {
                prop_assert!(start > 0 && !life[start].2);
                let error = decoder.decode(&batches[start], |_| None).err();
                prop_assert_eq!(error, Some(BatchError::NoKeyFrame));
                prop_assert_eq!(times.next(&batches[start]), Err(BatchError::NoKeyFrame));
                continue;
            }
            for at in start..life.len() {
                let (tick, of, _) = &life[at];
                let decoded = decoder.decode(&batches[at], |hash| (hash == of.hash()).then(|| of.clone())).unwrap();
                prop_assert_eq!(&**decoded.tick, tick);
                prop_assert_eq!(times.next(&batches[at]), Ok(tick.time));
                prop_assert_eq!(decoded.dictionary.hash(), of.hash());
                let expected: Vec<bool> = if decoded.key_frame {
                    vec![true; of.len()]
                } else {
                    life[at - 1].0.cells.iter().zip(&tick.cells).map(|(before, now)| before != now).collect()
                };
                prop_assert_eq!(bits(decoded.changed, of.len()), expected);
                let beyond = decoded.changed.iter().map(|word| word.count_ones() as usize).sum::<usize>();
                prop_assert!(beyond <= of.len());
            }
        }
    }

    #[test]
    fn a_damaged_batch_is_an_error_or_another_tick_and_the_next_key_frame_heals(
        life in any_life(),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut encoder = Encoder::new();
        let mut decoder = Decoder::new();
        for (tick, of, key) in &life {
            let mut bytes = encoder.encode(tick, of, *key);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let _ = decoder.decode(&bytes, |_| Some(of.clone()));
        }
        let (tick, of, _) = &life[life.len() - 1];
        let bytes = encoder.encode(tick, of, true);
        let decoded = decoder.decode(&bytes, |_| Some(of.clone())).unwrap();
        prop_assert_eq!(&**decoded.tick, tick);
    }
}

#[test]
fn any_bytes_decode_or_are_refused() {
    let of = dictionary(&[
        Kind::Gauge,
        Kind::Counter,
        Kind::Counter,
        Kind::Gauge,
        Kind::Counter,
        Kind::Gauge,
    ]);
    let first = Encoder::new().encode(&tick(1, vec![Cell::Scaled(1); 6]), &of, true);
    bolero::check!().for_each(|bytes: &[u8]| {
        let _ = peek(bytes);
        let mut decoder = Decoder::new();
        let _ = decoder.decode(bytes, |_| Some(of.clone()));
        let mut decoder = Decoder::new();
        assert!(decoder.decode(&first, |_| Some(of.clone())).is_ok());
        if let Ok(decoded) = decoder.decode(bytes, |_| Some(of.clone())) {
            assert_eq!(decoded.tick.cells.len(), decoded.dictionary.len());
        }
        // With a delta's head before them, so that the cells are reached.
        let mut delta = vec![0x10, 6];
        delta.extend_from_slice(bytes);
        let mut decoder = Decoder::new();
        assert!(decoder.decode(&first, |_| Some(of.clone())).is_ok());
        let _ = decoder.decode(&delta, |_| Some(of.clone()));
        let choose = |_: &Dictionary| vec![1, 4];
        let mut picker = Picker::new();
        let _ = picker.pick(bytes, |_| Some(of.clone()), choose);
        assert!(picker.pick(&first, |_| Some(of.clone()), choose).is_ok());
        let _ = picker.pick(&delta, |_| Some(of.clone()), choose);
    });
}

#[test]
fn a_delta_for_another_number_of_cells_is_refused_and_a_key_frame_is_wanted() {
    let (four, five) = (gauges(4), gauges(5));
    let mut other = Encoder::new();
    other.encode(&tick(0, vec![Cell::Scaled(0); 5]), &five, true);
    let delta = other.encode(&tick(1, vec![Cell::Scaled(1); 5]), &five, false);

    let mut decoder = Decoder::new();
    let first = Encoder::new().encode(&tick(0, vec![Cell::Scaled(0); 4]), &four, true);
    decoder.decode(&first, |_| Some(four.clone())).unwrap();
    let refused = decoder.decode(&delta, |_| None).map(|_| ());
    assert_eq!(refused, Err(BatchError::CellCount { expected: 4, found: 5 }));
    assert_eq!(
        decoder.decode(&delta, |_| None).map(|_| ()),
        Err(BatchError::NoKeyFrame)
    );
}

#[test]
fn an_unknown_dictionary_and_another_version_are_named() {
    let of = gauges(1);
    let bytes = Encoder::new().encode(&tick(5, vec![Cell::Scaled(1)]), &of, false);
    assert_eq!(
        peek(&bytes),
        Ok(Header {
            key_frame: Some(of.hash()),
            time: Some(Timestamp::from_millis(5))
        })
    );
    let refused = Decoder::new().decode(&bytes, |_| None).map(|_| ());
    assert_eq!(refused, Err(BatchError::UnknownDictionary(of.hash())));
    assert_eq!(peek(&[0x21]), Err(BatchError::Version(2)));
    assert_eq!(peek(&[0x12]), Err(BatchError::Malformed));
    assert_eq!(peek(&[]), Err(BatchError::Malformed));
}

#[test]
fn bytes_left_over_and_bits_beyond_the_last_cell_are_refused() {
    let of = gauges(3);
    let mut encoder = Encoder::new();
    let good = encoder.encode(&tick(5, vec![Cell::Scaled(1); 3]), &of, false);
    let mut longer = good.clone();
    longer.push(0);
    let mut beyond = good.clone();
    beyond[34] |= 1 << 3;
    beyond.push(0);
    for bytes in [longer, beyond, good[..good.len() - 1].to_vec()] {
        assert_eq!(
            Decoder::new().decode(&bytes, |_| Some(of.clone())).map(|_| ()),
            Err(BatchError::Malformed)
        );
    }
}

#[test]
fn the_bytes_are_as_documented() {
    let of = dictionary(&[Kind::Gauge, Kind::Counter, Kind::Gauge]);
    let mut encoder = Encoder::new();
    let mut expected = vec![0x11];
    expected.extend_from_slice(of.hash().as_bytes());
    expected.extend_from_slice(&[0xD0, 0x0F, 0b011, 0x01, 0xC8, 0x01]);
    let first = tick(1_000, vec![Cell::Scaled(-1), Cell::Scaled(100), Cell::Scaled(0)]);
    assert_eq!(encoder.encode(&first, &of, false), expected);
    // The interval of 10 ms, the counter by 10 where its last step was 100, the third cell gone.
    let second = tick(1_010, vec![Cell::Scaled(-1), Cell::Scaled(110), Cell::Absent]);
    assert_eq!(
        encoder.encode(&second, &of, false),
        [0x10, 3, 20, 0b110, 0xB3, 0x01, 0x80, 0x00, 0x00]
    );
    // The same interval, the same step: a byte each.
    let third = tick(1_020, vec![Cell::Scaled(-1), Cell::Scaled(120), Cell::Absent]);
    assert_eq!(encoder.encode(&third, &of, false), [0x10, 3, 0, 0b010, 0x00]);
    let fourth = tick(1_030, vec![Cell::Scaled(-1), Cell::Scaled(120), Cell::Raw(1.0)]);
    let bits = 1.0_f64.to_bits().to_le_bytes();
    assert_eq!(
        encoder.encode(&fourth, &of, false),
        [&[0x10, 3, 0, 0b100, 0x80, 0x00, 0x01][..], &bits].concat()
    );
}

#[test]
fn a_tick_of_the_wrong_length_is_filled_with_absent_cells_or_cut() {
    let of = gauges(2);
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new();
    let short = encoder.encode(&tick(0, vec![Cell::Scaled(7)]), &of, false);
    let decoded = decoder.decode(&short, |_| Some(of.clone())).unwrap();
    assert_eq!(decoded.tick.cells, [Cell::Scaled(7), Cell::Absent]);
    let long = encoder.encode(&tick(1, vec![Cell::Scaled(1); 3]), &of, false);
    assert_eq!(
        decoder.decode(&long, |_| None).unwrap().tick.cells,
        [Cell::Scaled(1); 2]
    );
}

#[test]
fn after_a_reset_only_a_key_frame_is_taken() {
    let of = gauges(1);
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new();
    let first = encoder.encode(&tick(0, vec![Cell::Scaled(1)]), &of, false);
    let second = encoder.encode(&tick(1, vec![Cell::Scaled(2)]), &of, false);
    decoder.decode(&first, |_| Some(of.clone())).unwrap();
    decoder.reset();
    assert_eq!(
        decoder.decode(&second, |_| None).map(|_| ()),
        Err(BatchError::NoKeyFrame)
    );
}
