//! `wireledger read` and its input: what is no capture, what is half one, what is hostile; and where output goes.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use serde_json::Value;
use tempfile::TempDir;
use wireledger_tests::{
    netns::output,
    packets::{ip::Ipv4, transport::udp},
    process::{Ended, Process, binary},
};

type Result<T = ()> = anyhow::Result<T>;

/// Exit code of a wrong command line.
const USAGE: i32 = 2;
/// Exit code of what did not work.
const FAILURE: i32 = 1;

const ETHERNET: u32 = 1;
/// LINKTYPE_USER0, which means something only to whoever wrote the file.
const USER: u32 = 147;

/// File header and record header of a pcap file, bytes.
const FILE: usize = 24;
const RECORD: usize = 16;

/// A pcap file, microseconds, little endian; a packet each second.
fn pcap(linktype: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, linktype] {
        file.extend(u32::to_le_bytes(word));
    }
    for (second, frame) in frames.iter().enumerate() {
        let length = frame.len() as u32;
        for word in [1_700_000_000 + second as u32, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// A pcapng file with one packet of an Ethernet interface of this name.
fn pcapng(name: &str, frame: &[u8]) -> Vec<u8> {
    let padded = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let option = |code: u16, value: &[u8]| {
        [&code.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), &padded(value)].concat()
    };
    let block = |kind: u32, body: &[u8]| {
        let length = body.len() as u32 + 12;
        [&kind.to_le_bytes()[..], &length.to_le_bytes(), body, &length.to_le_bytes()].concat()
    };
    let section: Vec<u8> = words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]);
    let interface: Vec<u8> = words(&[ETHERNET, 0]);
    let length = frame.len() as u32;
    let packet: Vec<u8> = words(&[0, 0, 0, length, length]);
    [
        block(0x0a0d_0d0a, &section),
        block(1, &[interface, option(2, name.as_bytes()), option(0, &[])].concat()),
        block(6, &[packet, padded(frame)].concat()),
    ]
    .concat()
}

/// `count` UDP packets, each a flow of its own.
fn frames(count: u16) -> Vec<Vec<u8>> {
    (1..=count).map(|port| Ipv4::default().frame(&udp(port, 53, &[7; 10]))).collect()
}

/// A folder of its own, and a file in it.
fn file(name: &str, bytes: &[u8]) -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(name);
    fs::write(&path, bytes)?;
    Ok((folder, path))
}

fn wireledger(path: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.arg("read").arg(path).args(arguments);
    Ok(command)
}

fn read(path: &Path, arguments: &[&str]) -> Result<Ended> {
    Process::run(&mut wireledger(path, arguments)?)
}

/// The one error on stderr, below the ledger; panics unless there is just one.
fn error(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(FAILURE), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    let errors: Vec<_> =
        ended.stderr.lines().filter_map(|line| line.strip_prefix("error: ")).collect();
    let [error] = errors[..] else { panic!("{ended:?}") };
    error
}

/// Reads it: fails with a message that has all of `words`, having printed `packets`.
fn assert_fails(path: &Path, packets: usize, words: &[&str]) -> Result {
    let ended = read(path, &["--packets"])?;
    let error = error(&ended);
    for word in words {
        assert!(error.contains(word), "no {word:?} in {error:?}");
    }
    assert_eq!(ended.stdout.lines().count(), packets, "{ended:?}");
    Ok(())
}

#[test]
fn what_is_no_capture_is_said_to_be_none() -> Result {
    for (name, bytes, words) in [
        ("empty", &b""[..], &["not a capture", "empty"][..]),
        ("text", b"GET / HTTP/1.1\r\n", &["not a capture", "47 45 54"]),
        ("short", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0], &["byte 0"]),
        ("zip", b"PK\x03\x04rest of it", &["not a capture", "zip"]),
        ("gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 255, 255, 255, 9, 9], &["gzip"]),
        ("zst", &[0x28, 0xb5, 0x2f, 0xfd, 255, 255, 255, 255, 255, 255, 9], &["zstd"]),
    ] {
        let (_folder, path) = file(name, bytes)?;
        assert_fails(&path, 0, &[&[name], words].concat())?;
    }
    Ok(())
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() -> Result {
    let folder = tempfile::tempdir()?;
    assert_fails(&folder.path().join("nosuch"), 0, &["nosuch", "No such file"])?;
    assert_fails(folder.path(), 0, &["directory"])?;
    // It opens, and every read fails, also root's.
    assert_fails(Path::new("/proc/self/mem"), 0, &["/proc/self/mem", "Input/output error"])
}

#[test]
fn packets_before_the_damage_are_printed_and_its_place_is_told() -> Result {
    let whole = pcap(ETHERNET, &frames(3));
    let record = RECORD + frames(1)[0].len();
    let third = FILE + 2 * record;
    for cut in [third + 1, third + RECORD, whole.len() - 1] {
        let (_folder, path) = file("cut.pcap", &whole[..cut])?;
        assert_fails(&path, 2, &["packet 3", &format!("byte {third}"), "2 packets were read"])?;
    }
    let mut absurd = whole.clone();
    absurd[third + 8..third + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let (_folder, path) = file("absurd.pcap", &absurd)?;
    assert_fails(&path, 2, &["packet 3", &format!("byte {third}"), "4294967295"])?;
    let mut block = pcapng("eth0", &frames(1)[0]);
    let end = block.len();
    block.extend([6, 0, 0, 0, 255, 255, 255, 255]);
    let (_folder, path) = file("absurd.pcapng", &block)?;
    assert_fails(&path, 1, &[&format!("byte {end}"), "1 packet was read"])
}

#[test]
fn an_unknown_link_type_is_left_out_by_name() -> Result {
    let (_folder, path) = file("user.pcap", &pcap(USER, &frames(4)))?;
    assert_fails(&path, 0, &["4 packets", "LINKTYPE_USER0 (147)"])
}

#[test]
fn of_a_file_that_grows_what_is_complete_is_printed() -> Result {
    let whole = pcap(ETHERNET, &frames(40));
    let (_folder, path) = file("grows.pcap", &whole[..FILE])?;
    let lines = |ended: &Ended| ended.stdout.lines().map(str::to_owned).collect::<Vec<_>>();
    let (tell, told) = mpsc::channel();
    let growing = {
        let (path, whole) = (path.clone(), whole.clone());
        thread::spawn(move || -> Result {
            let mut file = File::options().append(true).open(path)?;
            let (last, most) = whole.split_last().context("a capture")?;
            for part in most[FILE..].chunks(37) {
                file.write_all(part)?;
                thread::sleep(Duration::from_millis(2));
            }
            // It is whole only after somebody has read what was not.
            told.recv()?;
            Ok(file.write_all(&[*last])?)
        })
    };
    let mut seen = Vec::new();
    while !growing.is_finished() {
        seen.push(read(&path, &["--packets"])?);
        // Who has heard enough hangs up.
        let _ = tell.send(());
    }
    growing.join().expect("the writer does not panic")?;
    let all = read(&path, &["--packets"])?;
    assert_eq!((all.code, all.stdout.lines().count()), (Some(0), 40), "{all:?}");
    let all = lines(&all);
    for ended in &seen {
        assert_eq!(lines(ended), all[..lines(ended).len()]);
        match ended.code {
            Some(0) => assert!(!ended.stderr.contains("error"), "{ended:?}"),
            _ => assert!(error(ended).contains("ends in the middle of packet"), "{ended:?}"),
        }
    }
    assert!(seen.iter().any(|ended| lines(ended).len() < all.len()), "it grew too fast");
    Ok(())
}

#[test]
fn a_wrong_command_line_is_exit_code_2() -> Result {
    let (_folder, path) = file("three.pcap", &pcap(ETHERNET, &frames(3)))?;
    let cases: [&[&str]; 9] = [
        &["--nonsense"],
        &["--packets", "--tree"],
        &["--csv", "--json"],
        &["--csv", "--packets"],
        &["--sort", "beauty"],
        &["--top", "-1"],
        &["-c", "many"],
        &["--engine", "gpu"],
        &["--flow-memory", "0"],
    ];
    for arguments in cases {
        let ended = read(&path, arguments)?;
        assert_eq!(ended.code, Some(USAGE), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with("error: ") && ended.stdout.is_empty(), "{ended:?}");
    }
    let ended = Process::run(Command::new(binary()?).arg("read"))?;
    assert_eq!(ended.code, Some(USAGE), "{ended:?}");
    Ok(())
}

#[test]
fn a_hostile_interface_name_reaches_no_terminal() -> Result {
    /// A title, a line of its own, right to left, C1's way to begin a sequence.
    const NAME: &str = "eth\x1b]0;owned\x07\nerror: fake\u{202e}\u{9b}31m";
    let (_folder, path) = file("hostile.pcapng", &pcapng(NAME, &frames(1)[0]))?;
    let faces: [&[&str]; 10] = [
        &[],
        &["--json"],
        &["--csv"],
        &["--packets", "-e"],
        &["--packets", "--json"],
        &["--tree"],
        &["--tree", "--json"],
        &["--conversations"],
        &["--conversations", "--json"],
        &["--summary"],
    ];
    for face in faces {
        let ended = read(&path, face)?;
        assert_eq!(ended.code, Some(0), "{face:?}: {ended:?}");
        for text in [&ended.stdout, &ended.stderr] {
            let hostile = |c: char| (c.is_control() && !"\n\t".contains(c)) || c == '\u{202e}';
            assert!(!text.contains(hostile), "{face:?}: {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("error: ")), "{face:?}: {text:?}");
        }
    }
    let packet: Value = serde_json::from_str(&read(&path, &["--packets", "--json"])?.stdout)?;
    let flows: Value = serde_json::from_str(&read(&path, &["--json"])?.stdout)?;
    assert_eq!(packet["interface"], flows["flows"][0]["interface"], "escaped once, everywhere");
    Ok(())
}

#[test]
fn a_closed_pipe_ends_it_quietly() -> Result {
    let (_folder, path) = file("many.pcap", &pcap(ETHERNET, &frames(20_000)))?;
    for face in ["--packets", "--packets --json", "--tree", "--json", "--csv", ""] {
        let line = format!("'{}' read '{}' {face}", binary()?.display(), path.display());
        let script = format!("{line} 2>/dev/null | head -n 1; echo \"${{PIPESTATUS[0]}}\" >&2");
        let ended = Process::run(Command::new("bash").args(["-c", &script]))?;
        assert_eq!(ended.stdout.lines().count(), 1, "{face}: {ended:?}");
        assert!(matches!(ended.stderr.trim(), "0" | "141"), "{face}: {ended:?}");
        let noisy = format!("{line} | head -n 1");
        let ended = Process::run(Command::new("bash").args(["-c", &noisy]))?;
        assert!(!ended.stderr.contains("error") && !ended.stderr.contains("panic"), "{ended:?}");
    }
    Ok(())
}

#[test]
fn what_is_written_is_what_was_read() -> Result {
    let (folder, path) = file("from.pcap", &pcap(ETHERNET, &frames(9)))?;
    let to = folder.path().join("to.pcapng");
    let ended = read(&path, &["-w", &to.to_string_lossy()])?;
    assert_eq!((ended.code, &*ended.stdout), (Some(0), ""), "{ended:?}");
    let info = output(Command::new("capinfos").args(["-T", "-r", "-c", "-t", "-E"]).arg(&to))?;
    let info: Vec<_> = info.trim_end().split('\t').collect();
    assert_eq!(info[1..], ["pcapng", "ether", "9"], "{info:?}");
    let bytes = |file: &Path| output(Command::new("tshark").args(["-nxt", "e", "-r"]).arg(file));
    assert_eq!(bytes(&path)?, bytes(&to)?);

    let printed = wireledger(&path, &["-w", "-"])?.output()?;
    assert!(printed.status.success(), "{printed:?}");
    assert_eq!(printed.stdout, fs::read(&to)?, "on standard output too");
    let nowhere = read(&path, &["-w", "/nosuch/folder/file"])?;
    assert!(error(&nowhere).contains("/nosuch/folder/file"), "{nowhere:?}");
    Ok(())
}

#[test]
fn counting_stops_where_told_over_all_files() -> Result {
    let (_folder, path) = file("five.pcap", &pcap(ETHERNET, &frames(5)))?;
    let again = path.to_string_lossy();
    for (arguments, packets) in [
        (&["-c", "2"][..], 2),
        (&["-c", "0"], 0),
        (&["-c", "99"], 5),
        (&["-c", "7", &again], 7),
        (&[&*again, &again], 15),
    ] {
        let ended = read(&path, &[&["--packets"], arguments].concat())?;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.stdout.lines().count(), packets, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with(&format!("{packets} packets, ")), "{ended:?}");
    }
    // A file that cannot be read does not keep the others from being read.
    let (_folder, broken) = file("broken.pcap", b"no capture at all")?;
    let ended = read(&path, &["--packets", &broken.to_string_lossy(), &again])?;
    assert!(error(&ended).contains("broken.pcap"), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 10, "{ended:?}");
    Ok(())
}

#[test]
fn an_expression_says_which_packets() -> Result {
    let (folder, path) = file("nine.pcap", &pcap(ETHERNET, &frames(9)))?;
    let ports = "src portrange 3-6";
    for words in [&[ports][..], &["src", "portrange", "3-6"]] {
        let ended = read(&path, &[&["--packets", "-#t"], words].concat())?;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let numbers: Vec<_> =
            ended.stdout.lines().map(|line| line.split_whitespace().next().unwrap_or("")).collect();
        assert_eq!(numbers, ["3", "4", "5", "6"], "as the file counts: {ended:?}");
        let begin = "4 of 9 packets match: 4 packets, ";
        assert!(ended.stderr.starts_with(begin), "{ended:?}");
    }
    let expression = folder.path().join("expression");
    fs::write(&expression, format!("{ports}\n"))?;
    let ended = read(&path, &["-c", "2", "-F", &expression.to_string_lossy()])?;
    assert!(ended.stderr.starts_with("2 of 4 packets match: 2 packets, "), "{ended:?}");
    let to = folder.path().join("to.pcapng");
    read(&path, &["-w", &to.to_string_lossy(), ports])?;
    assert!(read(&to, &[])?.stderr.starts_with("4 packets, "));
    Ok(())
}

#[test]
fn what_is_neither_file_nor_expression_is_exit_code_2() -> Result {
    let (_folder, path) = file("one.pcap", &pcap(ETHERNET, &frames(1)))?;
    let again = path.to_string_lossy();
    for (arguments, words) in [
        (&["/no/b.pcap"][..], "'/no/b.pcap' is neither a file here nor an expression: "),
        (&["/no/b.pcap", &again], "'/no/b.pcap' is no file here, and '/no/b.pcap "),
        (&[&*again, "tcp", "prot", "80"], "and 'tcp prot 80' is no expression: "),
        (&["protochain 6"], "protochain"),
    ] {
        let ended = read(&path, arguments)?;
        assert_eq!((ended.code, &*ended.stdout), (Some(USAGE), ""), "{ended:?}");
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(words), "{ended:?}");
    }
    // The link type of raw IP has no addresses of Ethernet's.
    let (_folder, raw) = file("raw.pcap", &pcap(101, &[frames(1)[0][14..].to_vec()]))?;
    let ended = read(&raw, &["ether", "broadcast"])?;
    assert_eq!(ended.code, Some(USAGE), "{ended:?}");
    assert!(ended.stderr.contains("LINKTYPE_RAW"), "{ended:?}");
    Ok(())
}

#[test]
fn unread_packets_alone_are_printed_and_written() -> Result {
    let mut mixed = frames(6);
    mixed[1][12..14].copy_from_slice(&[0x08, 0x06]);
    mixed[4][12..14].copy_from_slice(&[0x88, 0xcc]);
    let (folder, path) = file("mixed.pcap", &pcap(ETHERNET, &mixed))?;
    let ended = read(&path, &["--packets", "--json", "--unread"])?;
    let numbers = |ended: &Ended| -> Result<Vec<u64>> {
        let packets = ended.stdout.lines().map(serde_json::from_str::<Value>);
        packets.map(|packet| Ok(packet?["number"].as_u64().unwrap_or_default())).collect()
    };
    assert_eq!(numbers(&ended)?, [2, 5]);
    assert!(ended.stderr.contains("2 unread (arp 1, lldp 1)"), "{ended:?}");
    let to = folder.path().join("unread.pcapng");
    read(&path, &["--unread", "-w", &to.to_string_lossy()])?;
    let written = read(&to, &["--packets"])?;
    assert!(written.stderr.contains("0 in 0 flows"), "{written:?}");
    assert_eq!(written.stdout.lines().count(), 2, "{written:?}");
    Ok(())
}

#[test]
fn compressed_and_piped_captures_read_alike() -> Result {
    let (folder, path) = file("plain.pcap", &pcap(ETHERNET, &frames(300)))?;
    let plain = read(&path, &["--json"])?;
    assert_eq!(plain.code, Some(0), "{plain:?}");
    for (program, end) in [("gzip", "gz"), ("zstd", "zst")] {
        let packed = folder.path().join(format!("packed.{end}"));
        let ran =
            Command::new(program).arg("-c").arg(&path).stdout(File::create(&packed)?).status()?;
        assert!(ran.success(), "{program}");
        let ended = read(&packed, &["--json"])?;
        assert_eq!((&ended.stdout, &ended.stderr), (&plain.stdout, &plain.stderr), "{program}");
        let bytes = fs::read(&packed)?;
        fs::write(&packed, &bytes[..bytes.len() / 2])?;
        let cut = read(&packed, &["--packets"])?;
        assert!(error(&cut).contains("packed"), "{cut:?}");
    }
    let mut piped = wireledger(Path::new("-"), &["--json"])?;
    let piped = piped.stdin(Stdio::from(File::open(&path)?)).output()?;
    assert!(piped.status.success(), "{piped:?}");
    assert_eq!(String::from_utf8(piped.stdout)?, plain.stdout);
    Ok(())
}

#[test]
fn tables_are_cut_and_sorted_as_told() -> Result {
    // Flow n has n packets, the first ones the longest.
    let flow =
        |n: u16| vec![Ipv4::default().frame(&udp(n, 53, &[7; 90][..90 / n as usize])); n.into()];
    let all: Vec<_> = (1..=4).flat_map(flow).collect();
    let (_folder, path) = file("sorted.pcap", &pcap(ETHERNET, &all))?;
    let ports = |arguments: &[&str]| -> Result<Vec<u64>> {
        let ended = read(&path, &[&["--json"], arguments].concat())?;
        let document: Value = serde_json::from_str(&ended.stdout)?;
        let flows = document["flows"].as_array().cloned().unwrap_or_default();
        Ok(flows.iter().filter_map(|flow| flow["source_port"].as_u64()).collect())
    };
    assert_eq!(ports(&["--sort", "packets"])?, [4, 3, 2, 1]);
    assert_eq!(ports(&["--sort", "bytes"])?, [4, 3, 2, 1]);
    assert_eq!(ports(&["--sort", "age"])?, [1, 2, 3, 4]);
    assert_eq!(ports(&["--sort", "recent", "--top", "2"])?, [4, 3]);
    assert_eq!(ports(&["--top", "0"])?, [0; 0]);

    let csv = read(&path, &["--csv", "--sort", "packets", "--top", "3"])?;
    let rows: Vec<Vec<_>> = csv.stdout.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 4, "{csv:?}");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{csv:?}");
    let column = |name| rows[0].iter().position(|head| *head == name).expect("a column");
    let of = |name| rows[1..].iter().map(|row| row[column(name)]).collect::<Vec<_>>();
    assert_eq!(of("source_port"), ["4", "3", "2"]);
    assert_eq!(of("packets"), ["4", "3", "2"]);
    Ok(())
}
