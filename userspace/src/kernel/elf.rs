//! A program of our own making as the object file that aya loads.

use aya::{Ebpf, EbpfLoader};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
    write::{Object, Symbol, SymbolSection},
};

use super::Error;

/// The licence that the kernel asks for before it allows every helper.
const LICENSE: &[u8] = b"Dual MIT/GPL\0";

/// An object with one program, instructions as the kernel takes them, not loaded yet. Maps stand in them by descriptor.
///
/// # Errors
/// When there is no memory for an object, or it does not hold together.
pub fn open(name: &'static str, section: &str, instructions: &[u8]) -> Result<Ebpf, Error> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let text = object.add_section(Vec::new(), section.into(), SectionKind::Text);
    object.append_section_data(text, instructions, 8);
    object.add_symbol(Symbol {
        name: name.into(),
        value: 0,
        size: instructions.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Linkage,
        weak: false,
        section: SymbolSection::Section(text),
        flags: SymbolFlags::None,
    });
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    object.append_section_data(license, LICENSE, 1);
    let bytes = object.write().map_err(|error| Error::Load { why: error.to_string() })?;
    // Without types of the kernel's, which would be read anew each time and which no filter names.
    EbpfLoader::new().btf(None).load(&bytes).map_err(|error| Error::load(&error))
}
