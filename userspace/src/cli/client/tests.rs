//! The client against servers of a few lines, each for one connection.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixListener,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use super::*;

const SECRET: &str = "0123456789abcdef";

/// What came, up to the empty line.
fn request(stream: impl Read) -> Vec<String> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).collect()
}

/// A server of one connection, and how to reach it.
fn server(answer: impl FnOnce(TcpStream) + Send + 'static) -> (Connect, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let connect = listener.local_addr().expect("an address").to_string();
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let came = request(&stream);
        answer(stream);
        came
    });
    (Connect { connect, token_file: None }, serving)
}

fn says(text: &'static str) -> (Connect, JoinHandle<Vec<String>>) {
    server(move |mut stream| stream.write_all(text.as_bytes()).expect("an answer"))
}

#[test]
fn get_reads_json_and_says_who_it_asks() {
    let (connect, serving) = says("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n[1,2,3]");
    assert_eq!(connect.get::<Vec<u8>>("/api?x=1").expect("an answer"), [1, 2, 3]);
    let came = serving.join().expect("a request");
    assert_eq!(came[0], "GET /api?x=1 HTTP/1.1");
    assert_eq!(came[1], format!("host: {}", connect.connect));
    assert!(!came.iter().any(|line| line.starts_with("authorization")), "{came:?}");
}

#[test]
fn a_token_file_is_sent_without_the_space_around_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    fs::write(&file, format!(" {SECRET}\n")).expect("writing");
    for (own, sent) in [(None, SECRET), (Some("another"), "another")] {
        let (mut connect, serving) = says("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        connect.token_file = Some(file.clone());
        connect.open(Method::GET, "/", own).expect("an answer");
        let came = serving.join().expect("a request");
        assert!(came.contains(&format!("authorization: Bearer {sent}")), "{came:?}");
    }
    let connect = Connect { connect: "/nowhere".into(), token_file: Some(folder.path().into()) };
    let error = connect.get::<u8>("/").expect_err("a folder is no token").to_string();
    assert!(error.contains("--token-file"), "{error}");
}

#[test]
fn a_refusal_has_its_status_and_the_daemons_words() {
    for (answer, status, said) in [
        ("HTTP/1.1 400 Bad Request\r\ncontent-length: 15\r\n\r\n{\"error\":\"bad\"}", 400, "bad"),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", 404, "status 404 Not Found"),
    ] {
        let (connect, _serving) = says(answer);
        let error = connect.open(Method::GET, "/", None).expect_err("refused");
        let refused = error.downcast_ref::<Refused>().expect("a refusal");
        assert_eq!((refused.status, refused.said.as_str()), (status, said));
        let place: Place = connect.connect.parse().expect("a place");
        assert_eq!(format!("{error:#}"), format!("{place} says: {said}"));
    }
}

#[test]
fn another_protocol_is_an_error_that_says_where() {
    let (connect, _serving) = says("220 smtp.example ESMTP\r\n");
    let error = format!("{:#}", connect.get::<u8>("/").expect_err("no HTTP"));
    assert!(error.contains(&connect.connect) && error.contains("--connect"), "{error}");
    let (connect, _serving) = says("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    let error = format!("{:#}", connect.get::<u8>("/").expect_err("no JSON"));
    assert!(error.contains("this version's daemon"), "{error}");
}

#[test]
fn a_body_is_read_as_it_comes_to_its_end() {
    let (go, gone) = mpsc::channel::<()>();
    let (connect, serving) = server(move |mut stream| {
        let mut say = |text: &str| stream.write_all(text.as_bytes()).expect("an answer");
        say("HTTP/1.1 200 OK\r\nx-kind: y\r\ntransfer-encoding: chunked\r\n\r\n");
        for chunk in ["3\r\nabc\r\n", "2\r\nde\r\n", "0\r\n\r\n"] {
            gone.recv().expect("the reader goes on");
            say(chunk);
        }
    });
    let mut answer = connect.open(Method::GET, "/", None).expect("the head alone is enough");
    assert_eq!(answer.headers["x-kind"], "y");
    let mut buffer = [0; 2];
    let mut next = || answer.body.read(&mut buffer).map(|length| buffer[..length].to_vec());
    go.send(()).expect("the server is there");
    assert_eq!(next().expect("a chunk"), b"ab");
    assert_eq!(next().expect("its rest"), b"c");
    go.send(()).expect("the server is there");
    assert_eq!(next().expect("a chunk"), b"de");
    go.send(()).expect("the server is there");
    assert_eq!(next().expect("the end"), b"");
    assert_eq!(next().expect("still the end"), b"");
    serving.join().expect("a request");
}

#[test]
fn a_body_that_breaks_off_is_an_error_and_no_closed_pipe() {
    let (connect, _serving) = server(|mut stream| {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc";
        stream.write_all(head).expect("an answer");
    });
    let mut answer = connect.open(Method::GET, "/", None).expect("the head");
    let error = io::copy(&mut answer.body, &mut io::sink()).expect_err("the end is missing");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
    assert!(!crate::cli::is_closed_pipe(&error.into()));
}

#[test]
fn a_reader_that_goes_closes_the_connection() {
    let (connect, serving) = server(|mut stream| {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).expect("an answer");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        assert_eq!(stream.read(&mut [0]).expect("the end"), 0);
        let _ = stream.shutdown(Shutdown::Both);
    });
    drop(connect.open(Method::GET, "/", None).expect("the head"));
    serving.join().expect("the connection was closed");
}

#[test]
fn a_socket_is_there_or_not_or_in_the_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let look = || Connect::at_socket(&path);
    assert!(look().expect("nothing is there").is_none());
    let listener = UnixListener::bind(&path).expect("a socket");
    let connect = look().expect("a socket").expect("somebody listens");
    assert_eq!(connect.connect, format!("unix:{}", path.display()));
    drop(listener);
    assert!(look().expect("nobody listens").is_none());
    assert!(Connect::at_socket(&path.join("below")).expect("no folder").is_none());
    assert!(place::denied(&path).contains("the group "));
}
