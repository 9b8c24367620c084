//! Numbers by chance, the same in every run.

/// xorshift64*.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// `seed` is not 0.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn word(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        self.word() % limit
    }

    pub(crate) fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }

    /// A number as filters have them: often small, or next to a power of two.
    pub(crate) fn number(&mut self) -> u32 {
        match self.below(4) {
            0 => self.below(8),
            1 => self.below(300),
            2 => (1_u32 << self.below(32)).wrapping_add(self.below(3)).wrapping_sub(1),
            _ => self.word(),
        }
    }

    /// `frame` with some bytes changed, perhaps cut or made longer; at least 14 bytes.
    pub(crate) fn change(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        for _ in 0..self.below(5) {
            let at = self.below(frame.len().min(80) as u32) as usize;
            frame[at] = if self.below(2) == 0 { self.word() as u8 } else { self.below(8) as u8 };
        }
        match self.below(3) {
            0 => frame.truncate(14 + self.below(60) as usize),
            1 => frame.resize(14 + self.below(200) as usize, self.word() as u8),
            _ => {}
        }
        frame.resize(frame.len().max(14), 0);
        frame
    }
}
