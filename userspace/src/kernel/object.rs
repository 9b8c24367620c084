//! Maps and programs of the object, by name and type.

use aya::{Ebpf, programs::Program};

use super::Error;

/// A map, taken out of the object.
pub(super) fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<aya::maps::Map, Error> {
    ebpf.take_map(name).ok_or(Error::Object { what: "map", name })
}

/// A loaded or loadable program of a type.
pub(super) fn program<'a, P>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, Error>
where
    &'a mut P: TryFrom<&'a mut Program>,
{
    let missing = Error::Object { what: "program", name };
    let Some(program) = ebpf.program_mut(name) else { return Err(missing) };
    program.try_into().map_err(|_| missing)
}
