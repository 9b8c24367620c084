//! A position in a frame: the only pointer code of the parser.
//!
//! One comparison against the end per header, by pointers and nothing else, which is the form in which the kernel's
//! verifier accepts packet access. On the host the same code walks a slice.

use core::{marker::PhantomData, ptr};

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Longest step of [`Cursor::skip`], bytes: the longest IPv6 extension header is 2048.
pub const SKIP_MAX: u32 = 0xfff;

/// Greatest offset [`Cursor::settle`] keeps apart: a link header, an IPv6 header and eight extension headers are less.
pub const OFFSET_MAX: u32 = 0x7fff;

/// A frame's linear bytes, and how far they were read.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    start: *const u8,
    end: *const u8,
    offset: u32,
    frame: PhantomData<&'a [u8]>,
}

impl<'a> Cursor<'a> {
    /// A cursor over `start..end`.
    ///
    /// # Safety
    /// `start..end` is one readable region that lives for `'a`, or packet memory under the kernel's verifier.
    #[inline(always)]
    #[must_use]
    pub const unsafe fn new(start: *const u8, end: *const u8) -> Self {
        Self { start, end, offset: 0, frame: PhantomData }
    }

    /// A cursor over a frame in memory.
    #[must_use]
    pub const fn over(frame: &'a [u8]) -> Self {
        let range = frame.as_ptr_range();
        // SAFETY: the range of a live slice, borrowed for `'a`.
        unsafe { Self::new(range.start, range.end) }
    }

    /// Bytes behind the cursor.
    #[inline(always)]
    #[must_use]
    pub const fn offset(&self) -> u32 {
        self.offset
    }

    /// The next header, and the cursor behind it; `None` when the frame ends inside it.
    #[inline(always)]
    pub fn take<T>(&mut self) -> Option<&'a T>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        let header = self.peek()?;
        self.offset += size_of::<T>() as u32;
        Some(header)
    }

    /// The next header, without moving.
    #[inline(always)]
    #[must_use]
    pub fn peek<T>(&self) -> Option<&'a T>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        let at = self.start.wrapping_add(self.offset as usize);
        if at.wrapping_add(size_of::<T>()) > self.end {
            return None;
        }
        // SAFETY: `at` and the header's end lie in the region: the offset is below 2^16, so neither sum can wrap, and the
        // end was compared. `T` is valid for any bytes at any alignment, and nobody writes the region during `'a`.
        Some(unsafe { &*at.cast::<T>() })
    }

    /// Moves on by `bytes`, at most [`SKIP_MAX`]; `None` when the frame ends before.
    #[inline(always)]
    pub fn skip(&mut self, bytes: u32) -> Option<()> {
        debug_assert!(bytes <= SKIP_MAX);
        let offset = self.offset + (bytes & SKIP_MAX);
        if self.start.wrapping_add(offset as usize) > self.end {
            return None;
        }
        self.offset = offset;
        Some(())
    }

    /// Goes to `offset` from the frame's start, at most [`OFFSET_MAX`].
    #[inline(always)]
    pub fn jump(&mut self, offset: u32) {
        debug_assert!(offset <= OFFSET_MAX);
        self.offset = offset & OFFSET_MAX;
    }

    /// A cursor over what is behind this one.
    #[inline(always)]
    #[must_use]
    pub fn rest(&self) -> Self {
        Self { start: self.start.wrapping_add(self.offset as usize), offset: 0, ..*self }
    }

    /// Forgets how the cursor came here: see [`forget`].
    #[inline(always)]
    pub fn settle(&mut self, memory: &mut u32) {
        debug_assert!(self.offset <= OFFSET_MAX);
        self.offset = forget(self.offset, memory) & OFFSET_MAX;
    }
}

/// `value`, by way of `memory`.
///
/// Where paths of different lengths meet, the verifier would walk on from each of them separately; `memory` is a map's in
/// the kernel, and what comes out of a map is any number, so all paths become one.
#[inline(always)]
pub fn forget(value: u32, memory: &mut u32) -> u32 {
    // SAFETY: a valid, aligned, exclusive reference.
    unsafe {
        ptr::write_volatile(memory, value);
        ptr::read_volatile(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_taken_whole_or_not_at_all() {
        let frame = [1, 2, 3, 4, 5];
        let mut cursor = Cursor::over(&frame);
        assert_eq!(cursor.take::<[u8; 2]>(), Some(&[1, 2]));
        assert_eq!(cursor.take::<[u8; 4]>(), None);
        assert_eq!(cursor.take::<[u8; 3]>(), Some(&[3, 4, 5]));
        assert_eq!(cursor.take::<u8>(), None);
        assert_eq!(cursor.offset(), 5);
    }

    #[test]
    fn a_skip_past_the_end_does_not_move() {
        let mut cursor = Cursor::over(&[7; 10]);
        assert_eq!(cursor.skip(11), None);
        assert_eq!(cursor.skip(9), Some(()));
        cursor.settle(&mut 0);
        assert_eq!(cursor.peek::<u8>(), Some(&7));
        assert_eq!(cursor.take::<u8>(), Some(&7));
        assert_eq!(cursor.skip(0), Some(()));
        assert_eq!(cursor.skip(1), None);
    }
}
