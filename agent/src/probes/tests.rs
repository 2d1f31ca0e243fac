//! Probes against servers of this process.

use super::{asking::Asking, command, *};
use crate::{
    clock::{SharedClock, SystemClock},
    surveys::Feed as _,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use std::{fs, net::SocketAddr, sync::Arc};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

fn probe(question: Question) -> Probe {
    Probe {
        name: "p".to_owned(),
        every: Duration::from_secs(30),
        timeout: Duration::from_secs(20),
        question,
    }
}

async fn ask(question: Question) -> Answer {
    Asking::new(clock()).ask(&probe(question)).await
}

fn value(answer: &Answer, name: &str) -> Option<f64> {
    let mut found = answer.values.iter().filter(|(known, _)| *known == name);
    let value = found.next().map(|(_, value)| *value);
    assert!(found.next().is_none(), "{name} comes twice");
    value
}

fn page(url: &str) -> HttpQuestion {
    HttpQuestion {
        url: Url::parse(url).unwrap(),
        status: vec![StatusPattern::Class(2)],
        text: None,
        redirects: 2,
        ca: None,
        verify: true,
    }
}

/// Answers every request by what `respond` makes of its path.
async fn server(respond: fn(&str) -> String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let _ = stream.write_all(respond(path).as_bytes()).await;
        }
    });
    address
}

fn site(path: &str) -> String {
    let (status, header, body) = match path {
        "/" => ("200 OK", "", "all is healthy"),
        "/once" => ("302 Found", "location: /\r\n", ""),
        "/twice" => ("301 Moved", "location: once\r\n", ""),
        "/thrice" => ("307 Moved", "location: /twice\r\n", ""),
        "/chunked" => return "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nall\r\n0\r\n\r\n".to_owned(),
        "/garbage" => return "220 mail.example ESMTP\r\n".to_owned(),
        _ => ("503 Busy", "", "no"),
    };
    format!(
        "HTTP/1.1 {status}\r\n{header}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_page_is_right_by_status_and_text() {
    let site = server(site).await;
    let at = |path: &str| page(&format!("http://{site}{path}"));
    let good = ask(Question::Http(at("/"))).await;
    assert_eq!((good.up, good.reason.as_str()), (Some(true), ""));
    assert_eq!(value(&good, STATUS), Some(200.0));
    assert_eq!(value(&good, REDIRECTS), Some(0.0));
    assert!(value(&good, DURATION).is_some());

    let busy = ask(Question::Http(at("/busy"))).await;
    assert_eq!(busy.up, Some(false));
    assert!(busy.reason.starts_with("status 503"), "{}", busy.reason);
    assert_eq!((value(&busy, STATUS), value(&busy, DURATION)), (Some(503.0), None));
    let told = HttpQuestion {
        status: vec![StatusPattern::Code(503)],
        ..at("/busy")
    };
    assert_eq!(ask(Question::Http(told)).await.up, Some(true));

    let healthy = HttpQuestion {
        text: Some("healthy".to_owned()),
        ..at("/")
    };
    assert_eq!(ask(Question::Http(healthy)).await.up, Some(true));
    let other = HttpQuestion {
        text: Some("Healthy".to_owned()),
        ..at("/")
    };
    assert!(
        ask(Question::Http(other))
            .await
            .reason
            .contains("does not hold the text")
    );
    let chunked = HttpQuestion {
        text: Some("all".to_owned()),
        ..at("/chunked")
    };
    assert_eq!(ask(Question::Http(chunked)).await.up, Some(true));
    let garbage = ask(Question::Http(at("/garbage"))).await;
    assert!(
        garbage.reason.starts_with("no answer that is HTTP"),
        "{}",
        garbage.reason
    );
}

#[tokio::test]
async fn redirects_are_followed_and_counted_as_told() {
    let site = server(site).await;
    let at = |path: &str| page(&format!("http://{site}{path}"));
    let twice = ask(Question::Http(at("/twice"))).await;
    assert_eq!((twice.up, value(&twice, REDIRECTS)), (Some(true), Some(2.0)));
    let thrice = ask(Question::Http(at("/thrice"))).await;
    assert_eq!((thrice.up, value(&thrice, REDIRECTS)), (Some(false), Some(2.0)));
    assert_eq!(thrice.reason, "more than 2 redirects");
    let none = HttpQuestion {
        redirects: 0,
        status: vec![StatusPattern::Class(3)],
        ..at("/once")
    };
    let none = ask(Question::Http(none)).await;
    assert_eq!((none.up, value(&none, STATUS)), (Some(true), Some(302.0)));
}

#[tokio::test]
async fn a_connection_is_taken_refused_or_comes_too_late() {
    let open = server(site).await;
    let good = ask(Question::Tcp {
        target: open.to_string(),
    })
    .await;
    assert_eq!(good.up, Some(true));
    let shut = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let bad = ask(Question::Tcp {
        target: shut.to_string(),
    })
    .await;
    assert_eq!(bad.up, Some(false));
    assert!(bad.reason.contains("refused"), "{}", bad.reason);
    assert_eq!(bad.values, []);
    // A server that takes connections and never says a word.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let question = page(&format!("http://{}/", mute.local_addr().unwrap()));
    let impatient = Probe {
        timeout: Duration::from_millis(100),
        ..probe(Question::Http(question))
    };
    let late = Asking::new(clock()).ask(&impatient).await;
    assert_eq!((late.up, late.reason.as_str()), (Some(false), "no answer within 100ms"));
}

/// An authority, and a server whose certificate for `localhost` it issued, valid for `days` from now.
struct Tls {
    folder: TempDir,
    address: SocketAddr,
}

impl Tls {
    async fn new(days: i64) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let now = crate::clock::Clock::wall(&SystemClock).as_millis() / 1_000;
        let at = |seconds: i64| (std::time::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())).into();
        params.not_before = at(now - 100 * 86_400);
        params.not_after = at(now + days * 86_400 + 3_600);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![certificate.der().clone()],
                    PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
                )
                .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(site("/").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { folder, address }
    }

    fn ca(&self) -> Option<PathBuf> {
        Some(self.folder.path().join("ca.pem"))
    }

    fn question(&self, server_name: &str, ca: Option<PathBuf>) -> Question {
        Question::Certificate {
            target: self.address.to_string(),
            server_name: Some(server_name.to_owned()),
            ca,
        }
    }
}

#[tokio::test]
async fn a_certificate_is_judged_by_time_name_and_chain_each_by_itself() {
    let tls = Tls::new(30).await;
    let good = ask(tls.question("localhost", tls.ca())).await;
    assert_eq!((good.up, good.reason.as_str()), (Some(true), ""));
    assert_eq!(
        (value(&good, TRUSTED), value(&good, NAME_MATCH)),
        (Some(1.0), Some(1.0))
    );
    let left = value(&good, TIME_LEFT).unwrap();
    assert!((30.0 * 86_400.0..30.0 * 86_400.0 + 3_601.0).contains(&left), "{left}");

    let other = ask(tls.question("shop.example", tls.ca())).await;
    assert_eq!(
        (value(&other, TRUSTED), value(&other, NAME_MATCH)),
        (Some(1.0), Some(0.0))
    );
    assert_eq!(other.reason, "the certificate is not for shop.example");

    let stranger = Tls::new(30).await;
    let untrusted = ask(tls.question("localhost", stranger.ca())).await;
    assert_eq!(
        (value(&untrusted, TRUSTED), value(&untrusted, NAME_MATCH)),
        (Some(0.0), Some(1.0))
    );
    assert_eq!(untrusted.up, Some(false));

    let past = Tls::new(-2).await;
    let expired = ask(past.question("localhost", past.ca())).await;
    assert_eq!(expired.reason, "the certificate has expired");
    assert!(value(&expired, TIME_LEFT).unwrap() < 0.0);
    assert_eq!(value(&expired, TRUSTED), None, "not known of one that has expired");
}

#[tokio::test]
async fn a_secure_page_is_fetched_only_behind_a_good_certificate_unless_told_otherwise() {
    let tls = Tls::new(30).await;
    let question = HttpQuestion {
        ca: tls.ca(),
        text: Some("healthy".to_owned()),
        ..page(&format!("https://localhost:{}/", tls.address.port()))
    };
    let good = ask(Question::Http(question.clone())).await;
    assert_eq!((good.up, good.reason.as_str()), (Some(true), ""));
    assert_eq!((value(&good, STATUS), value(&good, TRUSTED)), (Some(200.0), Some(1.0)));

    let stranger = Tls::new(30).await;
    let strange = HttpQuestion {
        ca: stranger.ca(),
        ..question
    };
    let bad = ask(Question::Http(strange.clone())).await;
    assert_eq!((bad.up, value(&bad, STATUS)), (Some(false), None), "nothing was asked");
    assert_eq!(bad.reason, "nobody who is trusted issued the certificate");
    let careless = ask(Question::Http(HttpQuestion {
        verify: false,
        ..strange
    }))
    .await;
    assert_eq!((careless.up, value(&careless, TRUSTED)), (Some(true), Some(0.0)));
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_no_failure_of_the_other_side() {
    let tls = Tls::new(30).await;
    let missing = ask(tls.question("localhost", Some("/nonexistent/ca.pem".into()))).await;
    assert_eq!(missing.up, None);
    assert!(missing.reason.contains("/nonexistent/ca.pem"), "{}", missing.reason);
    let empty = tls.folder.path().join("empty.pem");
    fs::write(&empty, "nothing here").unwrap();
    assert_eq!(ask(tls.question("localhost", Some(empty))).await.up, None);
}

/// Where ping sockets are allowed this machine answers itself; elsewhere that is said, and not told as a loss.
#[tokio::test]
async fn this_machine_answers_pings_over_both_protocols_where_it_may_be_asked() {
    for target in ["127.0.0.1", "::1"] {
        let question = Question::Ping {
            target: target.to_owned(),
            requests: 2,
        };
        let answer = ask(question.clone()).await;
        if let Some(reason) = command::pings_forbidden(&[probe(question)]) {
            assert_eq!((answer.up, answer.reason), (None, reason));
        } else if target == "127.0.0.1" || answer.up == Some(true) {
            assert_eq!((answer.up, value(&answer, LOSS)), (Some(true), Some(0.0)));
            assert!(value(&answer, DURATION).is_some());
        }
    }
}

#[test]
fn a_tick_takes_what_is_new_and_series_stay_the_same_whatever_is_found() {
    let board = Board::default();
    let asked = Arc::new(probe(Question::Tcp {
        target: "db.example:5432".to_owned(),
    }));
    let other = Arc::new(Probe {
        name: "q".to_owned(),
        ..(*asked).clone()
    });
    let failed = || Answer {
        up: Some(false),
        reason: "no".to_owned(),
        values: Vec::new(),
    };
    let mut seen = 0;
    board.set(&[]);
    assert!(board.take(&mut seen).is_none(), "without probes nothing is told");
    board.set(&[Arc::clone(&asked)]);
    assert!(board.take(&mut seen).is_none(), "not asked yet");
    board.put(&asked, failed());
    assert_eq!(board.take(&mut seen).unwrap().parts[0].reason, "no");
    assert!(board.take(&mut seen).is_none(), "nothing new");

    let names = |findings: &crate::surveys::Findings| -> Vec<&str> {
        findings.values.iter().map(|value| value.metric.name).collect()
    };
    board.set(&[Arc::clone(&asked), Arc::clone(&other)]);
    let before = board.take(&mut seen).unwrap();
    assert_eq!(
        before.parts.len(),
        1,
        "an answer outlives a reload, and the other was not asked yet"
    );
    board.put(&other, failed());
    assert_eq!(names(&before), names(&board.take(&mut seen).unwrap()));
    board.set(&[]);
    board.put(&asked, failed());
    assert!(board.take(&mut seen).unwrap().values.is_empty());
}

#[test]
fn statuses_are_codes_or_classes() {
    let fits = |text: &str, status| StatusPattern::parse(text).unwrap().fits(status);
    assert!(fits("204", 204) && !fits("204", 200) && fits("2xx", 299) && !fits("2xx", 300));
    for text in ["", "xx", "6xx", "99", "600", "2x", "ok"] {
        assert_eq!(StatusPattern::parse(text), None, "{text}");
    }
}
