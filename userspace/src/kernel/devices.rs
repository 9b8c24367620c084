//! What interfaces have counted by themselves, from /proc/net/dev: unlike netlink it waits for no lock that a change of
//! interfaces holds.

use std::{fs, io};

use super::{Error, namespace::Namespace};

/// By way of the thread, which may be in another namespace than the process.
const FILE: &str = "/proc/thread-self/net/dev";

/// What an interface counted in one direction since it was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counted {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets in error.
    pub errors: u64,
    /// Packets dropped; of the received ones also those that were missed.
    pub drops: u64,
    /// Packets lost in a queue of the device.
    pub fifo_errors: u64,
}

/// Calls `see` for every interface of a namespace with what it received and what it sent.
///
/// # Errors
/// When the namespace cannot be entered, and when the file cannot be read or is another.
pub fn counters(
    namespace: &Namespace,
    see: impl FnMut(&str, Counted, Counted),
) -> Result<(), Error> {
    let doing = "reading the interfaces' counters in /proc/net/dev";
    let text = namespace.run(|| fs::read_to_string(FILE))?.map_err(Error::system(doing))?;
    read(&text, see).ok_or(Error::System { doing, source: io::ErrorKind::InvalidData.into() })
}

fn read(text: &str, mut see: impl FnMut(&str, Counted, Counted)) -> Option<()> {
    // Two lines of headings.
    for line in text.lines().skip(2) {
        let (name, numbers) = line.split_once(':')?;
        let mut each = numbers.split_ascii_whitespace().map(|number| number.parse().ok());
        // bytes packets errs drop fifo, then three more, of each direction.
        let mut direction = || {
            let mut next = || each.next().flatten();
            let (bytes, packets, errors) = (next()?, next()?, next()?);
            let (drops, fifo_errors) = (next()?, next()?);
            let _rest: [u64; 3] = [next()?, next()?, next()?];
            Some(Counted { packets, bytes, errors, drops, fifo_errors })
        };
        see(name.trim(), direction()?, direction()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: &str = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n";

    #[test]
    fn a_line_is_an_interface() {
        let text = format!(
            "{HEADINGS}    lo:  10 1 2 3 4 5 6 7 80 8 9 10 11 12 13 14\neth0:18446744073709551615 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        );
        let mut seen = Vec::new();
        read(&text, |name, received, sent| seen.push((name.to_owned(), received, sent)))
            .expect("reads");
        let received = Counted { packets: 1, bytes: 10, errors: 2, drops: 3, fifo_errors: 4 };
        let sent = Counted { packets: 8, bytes: 80, errors: 9, drops: 10, fifo_errors: 11 };
        assert_eq!(seen[0], ("lo".to_owned(), received, sent));
        assert_eq!(seen[1].1.bytes, u64::MAX);
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn what_is_cut_or_no_number_is_refused() {
        for line in ["lo", "lo: 1 2 3", "lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x"] {
            assert_eq!(read(&format!("{HEADINGS}{line}"), |_, _, _| {}), None, "{line}");
        }
        assert_eq!(read("", |_, _, _| {}), Some(()));
    }

    #[test]
    fn the_loopback_is_there() {
        let mut names = Vec::new();
        counters(&Namespace::own(), |name, _, _| names.push(name.to_owned())).expect("reads");
        assert!(names.iter().any(|name| name == "lo"), "{names:?}");
    }
}
