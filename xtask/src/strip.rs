//! Takes out of an eBPF object what no loader reads: DWARF and the symbols that only DWARF names.
//!
//! BTF, its line info, maps, programs, their relocations and symbols stay. Done here and not with
//! binutils, whose `strip` does not know BPF.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use object::build::Id as _;
use object::build::elf::{Builder, SectionData};
use object::elf;

/// The stripped object; the same input gives the same bytes.
pub(crate) fn object(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(bytes).context("reading the ELF file")?;
    for section in &mut builder.sections {
        section.delete = is_unread(&section.name);
    }
    drop_unneeded_symbols(&mut builder);
    builder.delete_orphans();
    separate_section_names(&mut builder);
    let mut stripped = Vec::new();
    builder.write(&mut stripped).context("writing the ELF file")?;
    Ok(stripped)
}

/// Relocations of BTF are for linkers: what they add is in place already, and loaders pass over
/// them.
fn is_unread(section: &[u8]) -> bool {
    [&b".debug_"[..], b".rel.debug_", b".rel.BTF"].iter().any(|prefix| section.starts_with(prefix))
}

/// Labels and file names: local symbols without a type that a loader needs, and that nothing kept
/// points to.
fn drop_unneeded_symbols(builder: &mut Builder<'_>) {
    let mut referenced = HashSet::new();
    for section in &builder.sections {
        if let SectionData::Relocation(relocations) = &section.data {
            referenced.extend(relocations.iter().filter_map(|entry| Some(entry.symbol?.index())));
        }
    }
    for symbol in &mut builder.symbols {
        let nameless = matches!(symbol.st_type(), elf::STT_NOTYPE | elf::STT_FILE);
        let local = symbol.st_bind() == elf::STB_LOCAL;
        symbol.delete |= local && nameless && !referenced.contains(&symbol.id().index());
    }
}

/// LLVM keeps section names and symbol names in one table; the writer wants two.
fn separate_section_names(builder: &mut Builder<'_>) {
    let mut sections = builder.sections.iter();
    if sections.any(|section| matches!(section.data, SectionData::SectionString)) {
        return;
    }
    let names = builder.sections.add();
    names.name = ".shstrtab".into();
    names.sh_type = elf::SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
}
