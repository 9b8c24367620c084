//! Scrapes of a ledger that answers at once, late, or never.

use std::{io::Read as _, sync::Arc};

use axum::http::Request;
use flate2::read::GzDecoder;
use tokio::sync::mpsc;

use super::*;
use crate::{
    capture::Desk,
    feed::Ask,
    report::{Count, Dimension, Party, Talker, Talkers},
};

/// Sources, and the questions that come.
fn sources(collectors: Collectors, max_requests: usize) -> (Sources, mpsc::Receiver<Ask>) {
    let (asks, asked) = mpsc::channel(64);
    let (desk, _) = Desk::new();
    let scrapes = Scrapes::new(collectors, max_requests).expect("the registry takes the names");
    (Sources { feed: Feed::new(asks, mpsc::channel(1).0), desk, scrapes }, asked)
}

/// Sources whose every question is answered with this.
fn answering(collectors: Collectors, snapshot: Snapshot) -> Sources {
    let (sources, mut asked) = sources(collectors, 2);
    let snapshot = Arc::new(snapshot);
    tokio::spawn(async move {
        while let Some(ask) = asked.recv().await {
            assert_eq!(ask.want.kernel, collectors.has(Collector::Kernel));
            drop(ask.answer.send(Arc::clone(&snapshot)));
        }
    });
    sources
}

async fn ask(sources: &Sources, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
    ask_by(Method::GET, sources, headers).await
}

async fn ask_by(
    method: Method,
    sources: &Sources,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let response = scrape(State(sources.clone()), method, parts.headers).await;
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    (parts.status, parts.headers, body.to_vec())
}

/// A snapshot of many series.
fn large() -> Snapshot {
    let talker = |host: u32| {
        let party = Party::Host { host: format!("a host that has a long name, {host}") };
        Talker { party, count: Count { packets: host.into(), bytes: 0 } }
    };
    let talkers = Talkers {
        dimension: Dimension::Host,
        interface: "eth0".to_owned(),
        direction: None,
        lines: (0..5000).map(talker).collect(),
        other: Count::default(),
    };
    Snapshot { talkers: vec![talkers], ..Snapshot::default() }
}

#[tokio::test]
async fn the_format_is_the_clients_choice() {
    let sources = answering(Collectors::ALL, Snapshot::default());
    let (status, headers, body) = ask(&sources, &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(headers[header::VARY], "Accept, Accept-Encoding");
    assert!(!headers.contains_key(header::CONTENT_ENCODING));
    assert!(body.starts_with(b"# HELP ") && !body.ends_with(b"# EOF\n"));
    let (_, headers, body) = ask(&sources, &[("accept", "application/openmetrics-text")]).await;
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(headers[header::CONTENT_TYPE], open);
    assert!(body.starts_with(b"# TYPE ") && body.ends_with(b"# EOF\n"));
}

#[tokio::test]
async fn a_compressed_body_is_the_same_body() {
    // Nothing that moves from scrape to scrape but the answers before, which are in `own`.
    let sources = answering(Collectors::NONE.with(Collector::Talkers, true), large());
    let gzip = [("accept-encoding", "gzip")];
    for _ in 0..2 {
        let (_, plain_headers, plain) = ask(&sources, &[]).await;
        let (_, headers, packed) = ask(&sources, &gzip).await;
        assert!(!plain_headers.contains_key(header::CONTENT_ENCODING));
        assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
        assert!(packed.len() * 4 < plain.len(), "{} of {}", packed.len(), plain.len());
        let mut unpacked = String::new();
        GzDecoder::new(&*packed).read_to_string(&mut unpacked).expect("gzip");
        let same = |text: &str| -> Vec<String> {
            let lines = text
                .lines()
                .filter(|line| line.starts_with("wireledger_top_") && !line.contains("_limit"));
            lines.map(str::to_owned).collect()
        };
        let plain = String::from_utf8(plain).expect("UTF-8");
        assert_eq!(same(&plain), same(&unpacked));
        // Each by packets and by bytes, the rest included.
        assert_eq!(same(&plain).len(), 2 * 5001);
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let sources = answering(Collectors::ALL, Snapshot::default());
    let app = axum::Router::new()
        .route("/metrics", axum::routing::get(scrape))
        .with_state(sources.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).expect("connects");
        let request = "HEAD /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("asks");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("is answered");
        answer
    });
    let answer = answer.await.expect("asks");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
    assert_eq!(body, "");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("a length").parse().expect("a number");
    assert!(length > 1000, "{length}");
}

#[tokio::test]
async fn a_late_answer_is_none() {
    let (sources, _asked) = sources(Collectors::ALL, 40);
    let began = std::time::Instant::now();
    let timeout = [("x-prometheus-scrape-timeout-seconds", "0.6")];
    let (status, _, body) = ask(&sources, &timeout).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, b"no answer within 300ms, which is what the scrape's timeout leaves\n");
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert!(began.elapsed() < Duration::from_secs(5), "the scraper's patience, not the feed's");
    assert_eq!(sources.scrapes.0.own.in_flight.get(), 0);
}

#[test]
fn the_way_back_takes_its_time() {
    let patience = |value: &str| {
        let value = HeaderValue::from_str(value).expect("a value");
        super::patience(&HeaderMap::from_iter([(TIMEOUT, value)]))
    };
    for (value, milliseconds) in
        [("10", 9500), ("4.5", 4000), ("1", 500), ("0.5", 250), ("0.1", 50)]
    {
        let patience = patience(value).expect("a time").expect("an end");
        assert_eq!(patience, Duration::from_millis(milliseconds), "{value}");
    }
    assert!(patience("0").is_ok_and(|patience| patience.is_none()));
    assert!(super::patience(&HeaderMap::new()).is_ok_and(|patience| patience.is_none()));
    for value in ["", "soon", "-1", "NaN", "inf", "1e300"] {
        assert!(matches!(patience(value), Err(Refused::Timeout)), "{value:?}");
    }
}

#[tokio::test]
async fn a_timeout_that_is_no_number_is_a_bad_request() {
    let sources = answering(Collectors::ALL, Snapshot::default());
    let (status, ..) = ask(&sources, &[("x-prometheus-scrape-timeout-seconds", "soon")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn so_many_are_answered_at_once_and_no_more() {
    let (sources, mut asked) = sources(Collectors::NONE, 1);
    let first = tokio::spawn({
        let sources = sources.clone();
        async move { ask(&sources, &[]).await }
    });
    let question = asked.recv().await.expect("the first one asks");
    let (status, _, body) = ask(&sources, &[]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.starts_with(b"1 scrapes are under way"), "{body:?}");
    question.answer.send(Arc::default()).expect("the first one waits");
    assert_eq!(first.await.expect("ends").0, StatusCode::OK);
    // Its place is free again, and the refusal was counted.
    let second = ask(&sources, &[]);
    let (answer, ()) = tokio::join!(second, async {
        asked.recv().await.expect("asks").answer.send(Arc::default()).expect("waits");
    });
    let text = String::from_utf8(answer.2).expect("UTF-8");
    for line in [
        "wireledger_http_requests_total{code=\"200\",handler=\"/metrics\"} 1",
        "wireledger_http_requests_total{code=\"503\",handler=\"/metrics\"} 1",
        "wireledger_http_requests_in_flight{handler=\"/metrics\"} 1",
        "wireledger_http_response_size_bytes_count{handler=\"/metrics\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[tokio::test]
async fn a_place_is_held_until_the_body_has_gone() {
    let sources = answering(Collectors::ALL, Snapshot::default());
    let own = &sources.scrapes.0.own;
    let response = scrape(State(sources.clone()), Method::GET, HeaderMap::new()).await;
    assert_eq!(own.in_flight.get(), 1);
    drop(response);
    assert_eq!(own.in_flight.get(), 0);
}

#[tokio::test]
async fn zero_is_no_limit() {
    let (sources, mut asked) = sources(Collectors::NONE, 0);
    let mut questions = Vec::new();
    for _ in 0..50 {
        let sources = sources.clone();
        tokio::spawn(async move { ask(&sources, &[]).await });
        questions.push(asked.recv().await.expect("asks"));
    }
    assert_eq!(sources.scrapes.0.own.in_flight.get(), 50);
}

#[tokio::test]
async fn buffers_are_used_again() {
    let sources = answering(Collectors::ALL, large());
    for _ in 0..20 {
        ask(&sources, &[("accept-encoding", "gzip")]).await;
        ask(&sources, &[]).await;
    }
    let kept = sources.scrapes.0.buffers.lock().expect("no panic");
    assert!((1..=BUFFERS).contains(&kept.len()), "{}", kept.len());
    assert!(kept.iter().all(Vec::is_empty));
}
