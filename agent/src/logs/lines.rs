//! From pieces of bytes to lines, of which no more than a bounded beginning is kept.

/// A line without its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The line, or its beginning when it was cut.
    pub(super) bytes: &'a [u8],
    /// How long it really was, in bytes.
    pub(super) whole: u64,
}

impl Line<'_> {
    /// Whether something of it is missing.
    pub(super) fn is_cut(&self) -> bool {
        self.whole > self.bytes.len() as u64
    }
}

/// Puts lines together; what is beyond the bound of a line is counted and forgotten.
#[derive(Debug)]
pub(super) struct Splitter {
    kept: Vec<u8>,
    whole: u64,
    bound: usize,
}

impl Splitter {
    /// Keeps at most `bound` bytes of a line.
    pub(super) const fn new(bound: usize) -> Self {
        Self {
            kept: Vec::new(),
            whole: 0,
            bound,
        }
    }

    /// Bytes of the line that is not complete yet.
    pub(super) const fn pending(&self) -> u64 {
        self.whole
    }

    /// Forgets the line that is not complete yet.
    pub(super) fn clear(&mut self) {
        (self.kept, self.whole) = (Vec::new(), 0);
    }

    /// Takes the next bytes; tells each line that they complete.
    pub(super) fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Line<'_>)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (piece, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.whole == 0 {
                let kept = &piece[..piece.len().min(self.bound)];
                each(line(kept, piece.len() as u64));
            } else {
                self.keep(piece);
                self.finish(each);
            }
            bytes = rest;
        }
        self.keep(bytes);
    }

    /// Tells the last line although no newline ends it; nothing when there is none.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(Line<'_>)) {
        if self.whole > 0 {
            each(line(&self.kept, self.whole));
        }
        self.kept.clear();
        self.whole = 0;
        if self.kept.capacity() > self.bound / 4 {
            self.kept = Vec::new(); // long lines are rare, followed files may be many
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = self.bound - self.kept.len().min(self.bound);
        self.kept.extend_from_slice(&piece[..piece.len().min(room)]);
        self.whole += piece.len() as u64;
    }
}

/// Windows' line ends are cut off too.
fn line(kept: &[u8], whole: u64) -> Line<'_> {
    match kept.strip_suffix(b"\r") {
        Some(bytes) if whole == kept.len() as u64 => Line {
            bytes,
            whole: whole - 1,
        },
        _ => Line { bytes: kept, whole },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;
    use proptest::prelude::*;

    fn split(pieces: &[&[u8]], bound: usize) -> (Vec<(Vec<u8>, u64)>, u64) {
        let (mut splitter, mut lines) = (Splitter::new(bound), Vec::new());
        for piece in pieces {
            splitter.feed(piece, &mut |line| lines.push((line.bytes.to_vec(), line.whole)));
        }
        (lines, splitter.pending())
    }

    #[test]
    fn a_line_is_told_when_it_is_complete() {
        let (lines, pending) = split(&[b"on", b"e\n\ntwo\r\nthr", b"", b"ee"], 100);
        let expected = [(b"one".to_vec(), 3), (b"".to_vec(), 0), (b"two".to_vec(), 3)];
        assert_eq!((lines.as_slice(), pending), (&expected[..], 5));
    }

    #[test]
    fn of_a_long_line_the_beginning_is_kept_and_its_length() {
        let long = vec![b'x'; 10 << 20];
        let mut splitter = Splitter::new(16);
        let mut seen = Vec::new();
        for piece in long.chunks(64 << 10) {
            splitter.feed(piece, &mut |_| {});
            assert!(splitter.kept.capacity() < 64, "what is beyond the bound is not kept");
        }
        splitter.feed(b"\nshort\n", &mut |line| {
            seen.push((line.bytes.len(), line.whole, line.is_cut()));
        });
        assert_eq!(seen, [(16, 10 << 20, true), (5, 5, false)]);
    }

    #[test]
    fn what_no_newline_ends_is_told_at_the_end() {
        let mut splitter = Splitter::new(16);
        splitter.feed(b"half", &mut |_| {});
        let mut seen = Vec::new();
        splitter.finish(&mut |line| seen.push(line.bytes.to_vec()));
        splitter.finish(&mut |line| seen.push(line.bytes.to_vec()));
        assert_eq!(seen, [b"half".to_vec()]);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_where_the_pieces_end(text in "[ab\n\r]{0,60}", cuts in proptest::collection::vec(0_usize..60, 0..8)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(split(&pieces, 5), split(&[bytes], 5));
        }
    }

    #[test]
    fn any_bytes_are_lines() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let (lines, pending) = split(&[bytes], 8);
            assert!(lines.iter().all(|(line, _)| line.len() <= 8));
            assert_eq!(lines.len(), bytes.iter().filter(|byte| **byte == b'\n').count());
            assert!(pending <= bytes.len() as u64);
        }));
    }
}
