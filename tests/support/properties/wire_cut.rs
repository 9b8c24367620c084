//! A frame that is cut is read as the whole one or not at all: never as another flow.

use wireledger_common::{abi::unread::Unread, wire::Fragment};

use super::{
    Frame,
    input::Input,
    wire::{Read, Sample},
};

/// `data` is where to cut, then a frame as in [`super::wire`].
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let cut = input.word16();
    let sample = Sample::new(input);
    let frame = sample.frame;
    let kept = &frame[..frame.len().min(usize::from(cut))];
    hidden(&sample.read(), &sample.read_as(kept, sample.length));
    let alone = |frame: &[u8]| sample.read_as(frame, frame.len() as u32);
    shortened(&alone(frame), &alone(kept));
}

/// The hook shows less of a frame of the same length.
fn hidden(whole: &Read, cut: &Read) {
    match cut.0 {
        Ok(()) => assert_eq!(cut, whole),
        Err(reason) => assert!(is_truncation(reason) || whole.0 == cut.0, "{whole:?}, {cut:?}"),
    }
}

/// The frame itself is shorter, and nothing of it is hidden. Where a length field says 0 for "the frame's" there is less of a payload then, which can leave
/// a first fragment without ports and an echo without its identifier.
fn shortened(whole: &Read, cut: &Read) {
    let (Ok(()), headers) = cut else { return };
    match headers.fragment {
        Fragment::Whole | Fragment::Later => {
            assert_eq!(whole.0, Ok(()));
            assert_eq!(headers.key, whole.1.key);
            assert_eq!(headers.tcp_flags, whole.1.tcp_flags);
            assert!(headers.echo_id == whole.1.echo_id || headers.echo_id == 0);
        }
        Fragment::First | Fragment::Tiny => {
            assert!(matches!(whole.1.fragment, Fragment::First | Fragment::Tiny));
            assert_eq!(headers.key.source, whole.1.key.source);
            assert_eq!(headers.key.destination, whole.1.key.destination);
            assert_eq!(headers.key.vlans, whole.1.key.vlans);
        }
    }
    let class = (headers.traffic_class, whole.1.traffic_class);
    assert_eq!((headers.ttl, class.0), (whole.1.ttl, class.1));
    assert_eq!(headers.datagram, whole.1.datagram);
}

const fn is_truncation(reason: Unread) -> bool {
    matches!(
        reason,
        Unread::LinkTruncated
            | Unread::Ipv4Truncated
            | Unread::Ipv6Truncated
            | Unread::ExtensionTruncated
            | Unread::TransportTruncated
    )
}

/// Every frame, cut somewhere in its headers.
#[must_use]
pub fn seeds(frames: &[Frame]) -> Vec<Vec<u8>> {
    let cut = |n: usize, frame: &Frame| (14 + n * 7 % 64).min(frame.bytes.len()) as u16;
    let seed = |(n, frame)| [&cut(n, frame).to_le_bytes()[..], &Sample::seed(frame, 0)].concat();
    frames.iter().enumerate().map(seed).collect()
}
