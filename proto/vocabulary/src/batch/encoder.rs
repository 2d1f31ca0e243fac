//! Ticks to bytes.

use super::{ESCAPE, ESCAPE_ABSENT, ESCAPE_RAW, KEY_FRAME, Tick, VERSION, cell::Cell, state::State};
use crate::{series::Dictionary, varint};

/// Turns ticks into bytes; keeps what the next delta refers to.
#[derive(Debug, Default)]
pub struct Encoder {
    state: State,
    cells: Vec<Cell>,
    started: bool,
    /// Length of the last delta, so that the next one is allocated once.
    length: usize,
}

impl Encoder {
    /// An encoder whose first batch is a key-frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Encodes `tick`, as a key-frame when asked, when it is the first, or when the dictionary changed.
    ///
    /// Cells that the tick lacks count as absent, those beyond the dictionary are ignored.
    pub fn encode(&mut self, tick: &Tick, dictionary: &Dictionary, key_frame: bool) -> Vec<u8> {
        let other = !self.started || self.state.dictionary.hash() != dictionary.hash();
        let mut out = Vec::with_capacity(self.length + 64);
        let time = tick.time.as_millis();
        if other || key_frame {
            self.started = true;
            self.state
                .restart(time, other.then(|| dictionary.clone()), &mut self.cells);
            out.push(VERSION << 4 | KEY_FRAME);
            out.extend_from_slice(dictionary.hash().as_bytes());
            varint::put(&mut out, varint::zigzag(time));
        } else {
            out.push(VERSION << 4);
            varint::put(&mut out, self.cells.len() as u64);
            varint::put(&mut out, varint::zigzag(self.state.tick_forward(time)));
        }
        self.put_cells(&mut out, &tick.cells);
        self.length = out.len();
        out
    }

    fn put_cells(&mut self, out: &mut Vec<u8>, cells: &[Cell]) {
        let count = self.cells.len();
        let bitmap = out.len();
        out.resize(bitmap + count.div_ceil(8), 0);
        for at in 0..count {
            let cell = cells.get(at).copied().unwrap_or(Cell::Absent);
            let before = self.cells[at];
            if before == cell {
                continue;
            }
            self.cells[at] = cell;
            out[bitmap + at / 8] |= 1 << (at % 8);
            match cell {
                Cell::Scaled(value) => {
                    varint::put(out, varint::zigzag(self.state.forward(at, before, value)));
                }
                Cell::Absent => {
                    self.state.hide(at, before);
                    out.extend_from_slice(&[ESCAPE[0], ESCAPE[1], ESCAPE_ABSENT]);
                }
                Cell::Raw(value) => {
                    self.state.hide(at, before);
                    out.extend_from_slice(&[ESCAPE[0], ESCAPE[1], ESCAPE_RAW]);
                    out.extend_from_slice(&value.to_bits().to_le_bytes());
                }
            }
        }
    }
}
