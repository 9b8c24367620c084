//! Byte order of a capture file's own numbers: that of the machine which wrote it.

/// Byte order of a file or section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    #[inline]
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    pub(super) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }

    /// A timestamp, whose upper half stands first whatever the byte order.
    #[inline]
    pub(super) fn ticks(self, high: [u8; 4], low: [u8; 4]) -> u64 {
        u64::from(self.u32(high)) << 32 | u64::from(self.u32(low))
    }

    pub(super) fn i64(self, bytes: [u8; 8]) -> i64 {
        match self {
            Self::Little => i64::from_le_bytes(bytes),
            Self::Big => i64::from_be_bytes(bytes),
        }
    }
}

/// The 32-bit words `bytes` begins with; match them with a slice pattern.
#[inline]
pub(super) fn words(bytes: &[u8]) -> &[[u8; 4]] {
    bytes.as_chunks().0
}
