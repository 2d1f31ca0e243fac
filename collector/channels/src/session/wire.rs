//! Units on the line: each begins with its length in four bytes.

use tokio::{io::AsyncReadExt as _, net::tcp::OwnedReadHalf, sync::mpsc};

/// Longest unit that is read, in bytes: a message of CMPP to 100 numbers has some 2 600.
const UNIT_BYTES_MAX: usize = 8 * 1024;

/// A whole unit: its length, these words of its head, its body.
pub(crate) fn unit(head: &[u32], body: &[u8]) -> Vec<u8> {
    let bytes = 4 * (1 + head.len()) + body.len();
    let mut unit = Vec::with_capacity(bytes);
    unit.extend(u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
    unit.extend(head.iter().flat_map(|word| word.to_be_bytes()));
    unit.extend_from_slice(body);
    unit
}

/// Reads whole units until the connection ends.
pub(super) async fn read_units(mut read: OwnedReadHalf, units: mpsc::Sender<Result<Vec<u8>, String>>) {
    loop {
        let unit = read_unit(&mut read).await;
        let ended = unit.is_err();
        if units.send(unit).await.is_err() || ended {
            return;
        }
    }
}

async fn read_unit(read: &mut OwnedReadHalf) -> Result<Vec<u8>, String> {
    let mut length = [0; 4];
    read.read_exact(&mut length).await.map_err(|error| error.to_string())?;
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if !(12..=UNIT_BYTES_MAX).contains(&bytes) {
        return Err(format!("it sent a unit of {bytes} bytes: is this the right port?"));
    }
    let mut unit = vec![0; bytes];
    unit[..4].copy_from_slice(&length);
    read.read_exact(&mut unit[4..])
        .await
        .map_err(|error| error.to_string())?;
    Ok(unit)
}

/// Reads fields one after another; every step says when there is too little.
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, bytes: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .0
            .split_at_checked(bytes)
            .ok_or_else(|| "a unit ends too early".to_owned())?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, String> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(crate) fn number(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Text up to a zero byte.
    pub(crate) fn c_string(&mut self) -> Result<String, String> {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(|| "a text in a unit has no end".to_owned())?;
        let text = self.take(end)?;
        self.byte()?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// Text in a field of fixed length, padded with zeros.
    pub(crate) fn field(&mut self, bytes: usize) -> Result<String, String> {
        let field = self.take(bytes)?;
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(bytes);
        Ok(String::from_utf8_lossy(&field[..end]).trim().to_owned())
    }
}
