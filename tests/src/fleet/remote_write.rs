//! Prometheus remote-write 1.0: the messages, and series named as people who use Prometheus would name them.
//!
//! The messages are those of `prometheus.WriteRequest` (field numbers from the remote-write 1.0 specification), snappy
//! block format around them.

use prost::Message;
use tocsin_vocabulary::{Kind, Series, Timestamp};

/// A request.
#[derive(Clone, PartialEq, Message)]
pub struct WriteRequest {
    /// What is written.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

/// Samples of one series.
#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    /// Sorted by name.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// In order of time.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
}

/// A label.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Label {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// One value.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Sample {
    /// The value.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

/// Labels of `series` on a host: `__name__`, `host`, and its attributes; dots become underscores, the unit and `total`
/// are added to the name.
#[must_use]
pub fn labels(series: &Series, host: &str) -> Vec<Label> {
    let plain = |text: &str| text.replace('.', "_");
    let unit = match series.unit.as_str() {
        "By" => "_bytes",
        "s" => "_seconds",
        "1" => "_ratio",
        _ => "",
    };
    let total = if series.kind == Kind::Counter { "_total" } else { "" };
    let label = |name: String, value: &str| Label {
        name,
        value: value.to_owned(),
    };
    let mut labels = vec![
        label("__name__".to_owned(), &format!("{}{unit}{total}", plain(&series.name))),
        label("host".to_owned(), host),
    ];
    labels.extend(series.attributes.iter().map(|(key, value)| label(plain(key), value)));
    labels.sort_by(|a, b| a.name.cmp(&b.name));
    labels
}

/// Labels as bytes of a [`TimeSeries`], so that they need to be encoded once.
#[must_use]
pub fn encoded_labels(series: &Series, host: &str) -> Box<[u8]> {
    let labels = labels(series, host);
    TimeSeries {
        labels,
        samples: vec![],
    }
    .encode_to_vec()
    .into()
}

/// Gathers samples into the bytes of one request.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    samples: usize,
}

impl Batch {
    /// Adds one sample of the series with these [`encoded_labels`].
    pub fn add(&mut self, labels: &[u8], value: f64, time: Timestamp) {
        use prost::encoding::{WireType, encode_key, encode_varint, message};
        let timestamp = time.as_millis();
        let sample = Sample { value, timestamp };
        let length = labels.len() + message::encoded_len(2, &sample);
        encode_key(1, WireType::LengthDelimited, &mut self.bytes);
        encode_varint(length as u64, &mut self.bytes);
        self.bytes.extend_from_slice(labels);
        message::encode(2, &sample, &mut self.bytes);
        self.samples += 1;
    }

    /// Samples in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.samples
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.samples == 0
    }

    /// The body of the request; the batch is empty after it.
    ///
    /// # Panics
    /// When it is longer than snappy can say.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        let body = snap::raw::Encoder::new()
            .compress_vec(&self.bytes)
            .expect("less than 4 GiB");
        self.bytes.clear();
        self.samples = 0;
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::catalogue::metric;

    #[test]
    fn a_batch_is_a_write_request() {
        let series = metric("system.disk.io")
            .unwrap()
            .series(&[("system.device", "sda"), ("disk.io.direction", "read")]);
        let labels = encoded_labels(&series, "a");
        let mut batch = Batch::default();
        batch.add(&labels, 1.5, Timestamp::from_millis(7));
        batch.add(&labels, 0.0, Timestamp::from_millis(8));
        assert_eq!(batch.len(), 2);
        let plain = snap::raw::Decoder::new().decompress_vec(&batch.take()).unwrap();
        let read = WriteRequest::decode(plain.as_slice()).unwrap();
        assert!(batch.is_empty());
        let samples: Vec<_> = read.timeseries.iter().map(|one| one.samples[0]).collect();
        assert_eq!((samples[0].value, samples[1].timestamp), (1.5, 8));
        let names: Vec<_> = read.timeseries[1]
            .labels
            .iter()
            .map(|label| label.name.as_str())
            .collect();
        assert_eq!(names, ["__name__", "disk_io_direction", "host", "system_device"]);
        assert_eq!(read.timeseries[1].labels[0].value, "system_disk_io_bytes_total");
    }
}
