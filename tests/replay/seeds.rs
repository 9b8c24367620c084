//! Writes the fuzzer's seeds: `seeds FOLDER [CAPTURES]` makes `FOLDER/<property>/<number>`.

use std::{env, fs, path::Path};

use anyhow::Context;
use wireledger_tests::properties::{ALL, captured, crafted};

fn main() -> anyhow::Result<()> {
    let mut args = env::args_os().skip(1);
    let folder = args.next().context("usage: seeds FOLDER [CAPTURES]")?;
    let mut frames = crafted();
    if let Some(captures) = args.next() {
        frames.extend(captured(Path::new(&captures))?);
    }
    let mut written = 0;
    for property in ALL {
        let folder = Path::new(&folder).join(property.name);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        for (n, seed) in (property.seeds)(&frames).iter().enumerate() {
            let file = folder.join(format!("{n:05}"));
            fs::write(&file, seed).with_context(|| format!("writing {}", file.display()))?;
            written += 1;
        }
    }
    eprintln!("{written} seeds from {} frames", frames.len());
    Ok(())
}
