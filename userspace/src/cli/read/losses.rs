//! What a capture lost when it was made: a line on standard error for each interface that tells of it.

use std::path::Path;

use crate::{
    capfile::{Interface, Reader, Statistics},
    dissect::escape,
};

/// Lines of one file; a hostile one may have 65,536 interfaces.
const MOST: usize = 16;

/// The lines of a file that has been read, which name it where there are several.
pub(super) fn of(reader: &Reader, file: Option<&Path>) -> Vec<String> {
    let file = file.map(|file| format!("{}: ", escape::text(&file.display().to_string())));
    let file = file.unwrap_or_default();
    let told = (0..).zip(reader.interfaces()).zip(reader.statistics());
    let lossy: Vec<_> = told
        .filter_map(|((index, interface), told)| Some((index, interface, (*told)?)))
        .filter(|(.., told)| told.tell_of_losses())
        .collect();
    let line = |(index, interface, told): &(usize, &Interface, Statistics)| {
        format!("capture: {file}{}", sentence(*index, interface, told))
    };
    let mut lines: Vec<_> = lossy.iter().take(MOST).map(line).collect();
    if lossy.len() > MOST {
        lines.push(format!("capture: {file}{} more interfaces with losses", lossy.len() - MOST));
    }
    lines
}

fn sentence(index: usize, interface: &Interface, told: &Statistics) -> String {
    let name = interface.name.as_ref().map(|name| escape::text(name).to_string());
    let counts = [
        (told.received, "received"),
        (told.dropped.filter(|&lost| lost != 0), "dropped"),
        (told.os_dropped.filter(|&lost| lost != 0), "dropped by the system"),
    ];
    let counts: Vec<_> =
        counts.into_iter().filter_map(|(count, what)| Some(format!("{} {what}", count?))).collect();
    format!("{}: {}", name.unwrap_or_else(|| format!("interface {index}")), counts.join(", "))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::capfile::Writer;

    /// The lines of a file that tells this of its interfaces.
    fn lines(told: &[(Option<&str>, Statistics)], file: Option<&str>) -> Vec<String> {
        let mut writer = Writer::new(Vec::new(), "test").unwrap();
        for (index, (name, statistics)) in (0..).zip(told) {
            let name = name.map(str::to_owned);
            let interface = Interface { name, ..Interface::of_linktype(1) };
            writer.statistics(&interface, index, 0, statistics).unwrap();
        }
        let file_bytes = Cursor::new(writer.finish().unwrap());
        let mut reader = Reader::new(file_bytes, "test".to_owned(), None).unwrap();
        assert!(reader.next().unwrap().is_none());
        of(&reader, file.map(Path::new))
    }

    const NONE: Statistics = Statistics {
        start: None,
        end: None,
        received: Some(1000),
        dropped: Some(0),
        accepted: Some(500),
        os_dropped: Some(0),
        delivered: None,
    };

    #[test]
    fn an_interface_without_losses_is_not_named() {
        let silent = [(Some("eth0"), NONE), (Some("eth1"), Statistics::default())];
        assert!(lines(&silent, None).is_empty());
        let lossy = Statistics { dropped: Some(10), ..NONE };
        let found = lines(&[(Some("eth0"), NONE), (Some("eth1"), lossy)], None);
        assert_eq!(found, ["capture: eth1: 1000 received, 10 dropped"]);
    }

    #[test]
    fn both_kinds_of_losses_are_told_and_names_are_escaped() {
        let both = Statistics { dropped: Some(10), os_dropped: Some(5), ..NONE };
        let system = Statistics { os_dropped: Some(1), ..Statistics::default() };
        let found = lines(&[(Some("e\x1b[m"), both), (None, system)], Some("a.pcapng"));
        let expected = [
            r"capture: a.pcapng: e\x1b[m: 1000 received, 10 dropped, 5 dropped by the system",
            "capture: a.pcapng: interface 1: 1 dropped by the system",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_file_of_many_interfaces_does_not_flood_the_terminal() {
        let lossy = Statistics { dropped: Some(1), ..NONE };
        let found = lines(&[(None, lossy); 18], None);
        assert_eq!(found.len(), 17);
        assert_eq!(found[16], "capture: 2 more interfaces with losses");
    }
}
