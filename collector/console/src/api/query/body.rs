//! The body of an answer. A short one is made as a whole, so that what fails has its status. A long one is sent while it
//! is found, so that nobody holds all of it in memory: what fails then breaks the body off, without its last bytes and
//! without the end that HTTP gives a whole body. A client that goes away drops the body, and with it the query.

use super::{QueryAnswer, spans};
use crate::{
    backend::{Failure, FleetAnswer, FleetPart, FleetSeries},
    guard::{Answer, Refusal},
};
use axum::{
    Json,
    body::Body,
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use http::{HeaderValue, header};
use serde::Serialize;
use std::{collections::BTreeMap, io};
use tocsin_vocabulary::{Code, json};

/// Bytes from which on an answer is long.
const LONG_BYTES: usize = 256 << 10;
/// Bytes sent at once, or more when a series has more.
const PIECE_BYTES: usize = 64 << 10;

/// The answer about no hosts.
pub(super) fn nothing() -> Response {
    let nothing = QueryAnswer {
        series: Vec::new(),
        not_observed: Vec::new(),
    };
    Json(nothing).into_response()
}

/// Answers with these parts.
pub(super) async fn respond(parts: FleetAnswer) -> Answer {
    let mut text = Text::new(parts);
    text.read(LONG_BYTES).await.map_err(Refusal)?;
    let body = if text.ended {
        Body::from(text.written)
    } else {
        Body::from_stream(stream::try_unfold(text, next_piece))
    };
    let mut response = Response::new(body);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

async fn next_piece(mut text: Text) -> io::Result<Option<(Vec<u8>, Text)>> {
    if text.written.is_empty() && !text.ended {
        text.read(PIECE_BYTES).await.map_err(|failure| {
            tracing::error!(code = failure.code.key(), reason = %failure.reason, "an answer that was being sent broke off");
            io::Error::other(failure.reason)
        })?;
    }
    let piece = std::mem::take(&mut text.written);
    Ok((!piece.is_empty()).then_some((piece, text)))
}

/// Parts on their way to JSON.
struct Text {
    parts: FleetAnswer,
    written: Vec<u8>,
    series: usize,
    ended: bool,
}

impl Text {
    fn new(parts: FleetAnswer) -> Self {
        Self {
            parts,
            written: br#"{"series":["#.to_vec(),
            series: 0,
            ended: false,
        }
    }

    /// Writes until there are so many bytes, or the end.
    async fn read(&mut self, bytes: usize) -> Result<(), Failure> {
        while !self.ended && self.written.len() < bytes {
            match self.parts.recv().await {
                Some(FleetPart::Series(series)) => {
                    if self.series > 0 {
                        self.written.push(b',');
                    }
                    self.series += 1;
                    self.put_series(series)?;
                }
                Some(FleetPart::End { not_observed }) => {
                    self.written.extend_from_slice(br#"],"not_observed":"#);
                    self.put(&spans(not_observed))?;
                    self.written.push(b'}');
                    self.ended = true;
                }
                Some(FleetPart::Failed(failure)) => return Err(failure),
                None => return Err(Failure::new(Code::Internal, "the query ended without an answer")),
            }
        }
        Ok(())
    }

    /// Writes what `QuerySeries` says of a series, its many numbers without a serializer.
    fn put_series(&mut self, series: FleetSeries) -> Result<(), Failure> {
        let FleetSeries { host, line, min, max } = series;
        self.put(&Names {
            host: host.map(|host| host.to_string()),
            name: &line.series.name,
            unit: &line.unit,
            attributes: crate::api::texts(line.series.attributes),
        })?;
        // The numbers go on where the names' object would end.
        self.written.pop();
        self.written.extend_from_slice(br#","points":"#);
        json::put_points(&line.points, &mut self.written);
        for (key, values) in [(&br#","min":"#[..], min), (br#","max":"#, max)] {
            if !values.is_empty() {
                self.written.extend_from_slice(key);
                json::put_values(&values, &mut self.written);
            }
        }
        self.written.push(b'}');
        Ok(())
    }

    fn put(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.written, value).map_err(|error| Failure::new(Code::Internal, error.to_string()))
    }
}

/// What a series is called; its numbers follow.
#[derive(Serialize)]
struct Names<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    name: &'a str,
    attributes: BTreeMap<String, String>,
    unit: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::query::QuerySeries,
        backend::{AnswerSeries, FLEET_PARTS},
    };
    use axum::body::to_bytes;
    use tocsin_vocabulary::{HostId, Kind, Series, Timestamp};
    use tokio::sync::mpsc;

    fn series(points: i64) -> FleetSeries {
        FleetSeries {
            host: Some(HostId::from_bytes([7; 16])),
            line: AnswerSeries {
                series: Series {
                    name: "level".into(),
                    attributes: Vec::new(),
                    kind: Kind::Gauge,
                    unit: "By".into(),
                    decimals: 1,
                },
                unit: "By".into(),
                points: (0..points)
                    .map(|at| (Timestamp::from_millis(at), Some(f64::NAN).filter(|_| at > 0)))
                    .collect(),
            },
            min: Vec::new(),
            max: vec![Some(0.5)],
        }
    }

    fn asked(parts: Vec<FleetPart>) -> FleetAnswer {
        let (sender, receiver) = mpsc::channel(parts.len().max(1));
        parts.into_iter().for_each(|part| sender.try_send(part).unwrap());
        receiver
    }

    fn end() -> FleetPart {
        FleetPart::End {
            not_observed: vec![(Timestamp::from_millis(1), Timestamp::from_millis(2))],
        }
    }

    #[tokio::test]
    async fn short_and_long_answers_are_one_document() {
        for (count, points) in [(0, 0), (2, 3), (200, 1_000)] {
            let mut parts = vec![FleetPart::Series(series(points)); count];
            parts.push(end());
            let response = respond(asked(parts)).await.ok().unwrap();
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
            let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let read: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(read["series"].as_array().unwrap().len(), count);
            assert_eq!(read["not_observed"], serde_json::json!([[1, 2]]));
            if count > 0 {
                assert_eq!(read["series"][0]["points"][0], serde_json::json!([0, null]));
                assert_eq!(read["series"][0]["max"], serde_json::json!([0.5]));
                assert!(read["series"][0].get("min").is_none());
            }
        }
    }

    #[tokio::test]
    async fn a_series_is_written_as_it_is_described() {
        for found in [
            series(3),
            FleetSeries {
                host: None,
                min: vec![None, Some(f64::INFINITY), Some(-1.5e300)],
                ..series(0)
            },
        ] {
            let parts = vec![FleetPart::Series(found.clone()), end()];
            let response = respond(asked(parts)).await.ok().unwrap();
            let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let described = serde_json::to_string(&QuerySeries::from(found)).unwrap();
            let expected = format!(r#"{{"series":[{described}],"not_observed":[[1,2]]}}"#);
            assert_eq!(String::from_utf8_lossy(&bytes), expected);
        }
    }

    #[tokio::test]
    async fn what_fails_early_has_a_status_and_what_fails_late_breaks_the_body_off() {
        let failure = Failure::new(Code::ResourceExhausted, "too much");
        let early = vec![FleetPart::Series(series(3)), FleetPart::Failed(failure.clone())];
        let refusal = respond(asked(early)).await.err().unwrap();
        assert_eq!(refusal.0.reason, "too much");
        assert!(
            respond(asked(Vec::new())).await.is_err(),
            "a query that went away is no empty answer"
        );
        let mut late = vec![FleetPart::Series(series(1_000)); 200];
        late.push(FleetPart::Failed(failure));
        let response = respond(asked(late)).await.ok().unwrap();
        assert!(to_bytes(response.into_body(), usize::MAX).await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_goes_away_ends_the_query() {
        let (sender, receiver) = mpsc::channel(FLEET_PARTS);
        let feeding = tokio::spawn(async move { while sender.send(FleetPart::Series(series(1_000))).await.is_ok() {} });
        drop(respond(receiver).await.ok().unwrap());
        feeding.await.unwrap();
    }
}
