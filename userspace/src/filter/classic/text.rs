//! Reads classic programs in text: what `tcpdump -ddd` prints, and the comma form of bpf_asm and iptables.

use super::{Classic, Error, Instruction};

impl Classic {
    /// Reads a program in text: the number of instructions, then `code jt jf k` of each in decimal, on lines of their own
    /// as `tcpdump -ddd` prints them or between commas as bpf_asm does (`4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0`).
    ///
    /// # Errors
    /// Names the line that is wrong; and as [`Self::new`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let lines = text.split(['\n', ',']).enumerate().map(|(at, line)| (at + 1, line.trim()));
        let mut lines = lines.filter(|(_, line)| !line.is_empty());
        let (first, count) = lines.next().ok_or_else(|| wrong(1, "there is no program"))?;
        let count: usize = number(count, first, "the number of instructions")?;
        let program =
            lines.map(|(at, line)| instruction(line, at)).collect::<Result<Vec<_>, _>>()?;
        if program.len() != count {
            let there = program.len();
            return Err(wrong(first, format!("says {count} instructions, and {there} follow")));
        }
        Self::new(program)
    }
}

fn instruction(line: &str, at: usize) -> Result<Instruction, Error> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let [code, jt, jf, k] = words[..] else {
        return Err(wrong(
            at,
            format!("{} numbers, and an instruction has `code jt jf k`", words.len()),
        ));
    };
    Ok(Instruction {
        code: number(code, at, "the code")?,
        jt: number(jt, at, "jt")?,
        jf: number(jf, at, "jf")?,
        k: number(k, at, "k")?,
    })
}

fn number<T: std::str::FromStr>(word: &str, at: usize, what: &str) -> Result<T, Error> {
    let decimal = word.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = word.parse().ok().filter(|_| decimal);
    parsed.ok_or_else(|| {
        let bits = 8 * size_of::<T>();
        wrong(at, format!("{} is not a decimal number of {bits} bits: {what}", word.escape_debug()))
    })
}

fn wrong(line: usize, what: impl Into<Box<str>>) -> Error {
    Error::Text { line, what: what.into() }
}
