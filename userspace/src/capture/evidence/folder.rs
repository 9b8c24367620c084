//! A folder with a bounded number of our files and bytes.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use hashbrown::HashSet;

/// What our files' names begin with,
pub(super) const PREFIX: &str = "wireledger-";
/// and end with.
pub(super) const SUFFIX: &str = ".pcapng";
/// The end of a file's name while it is written.
const UNFINISHED: &str = ".unfinished";
/// Written to find out whether the folder can be written to: as old as no file of ours.
const TRIED: &str = "wireledger-00000000T000000.000000Z-tried.pcapng";

/// Of a file: its owner writes, its group reads.
const FILE_MODE: u32 = 0o640;
/// Of the folder, where it is made.
const FOLDER_MODE: u32 = 0o750;

/// A file has one of so many parts of all bytes, so that a noisy verdict leaves room for others.
const SHARES: u64 = 8;

/// Why evidence cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The kernel refuses.
    #[error("{doing} {}", path.display())]
    System {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of that name is none of ours.
    #[error("{} is no file: move it away", path.display())]
    NoFile {
        /// Its path.
        path: PathBuf,
    },
    /// Evidence needs a folder.
    #[error("{} is no folder", path.display())]
    NoFolder {
        /// Its path.
        path: PathBuf,
    },
    /// All that may be there is of verdicts under way.
    #[error("no room in {}: every file is of a scan or flood that goes on (--evidence-files, --evidence-size)", path.display())]
    Crowded {
        /// The folder.
        path: PathBuf,
    },
}

/// The folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    most_files: usize,
    most_bytes: u64,
}

/// A file of ours.
pub(super) struct Ours {
    pub(super) name: String,
    pub(super) bytes: u64,
}

impl Folder {
    /// Makes the folder if need be, removes what an earlier process did not finish or was allowed to have, and tries to write. Returns also how
    /// many files had to go.
    pub(super) fn open(
        path: &Path,
        most_files: usize,
        most_bytes: u64,
    ) -> Result<(Self, u64), EvidenceError> {
        if path.exists() && !path.is_dir() {
            return Err(EvidenceError::NoFolder { path: path.to_owned() });
        }
        let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path);
        made.map_err(failed("cannot make the folder", path))?;
        let folder = Self { path: path.to_owned(), most_files, most_bytes };
        for name in folder.names()? {
            if name.ends_with(UNFINISHED) && is_ours(name.trim_end_matches(UNFINISHED)) {
                folder.remove(&name)?;
            }
        }
        let (tried, _) = folder.begin(TRIED)?;
        fs::remove_file(&tried).map_err(failed("cannot remove", &tried))?;
        let gone = excess(folder.ours()?, most_files, most_bytes, &HashSet::new());
        let gone = gone.unwrap_or_default();
        for name in &gone {
            folder.remove(name)?;
        }
        Ok((folder, gone.len() as u64))
    }

    /// Bytes that a file may have where those that stay have so many.
    pub(super) fn room(&self, stay: u64) -> u64 {
        self.most_bytes.saturating_sub(stay).min(self.most_bytes / SHARES)
    }

    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether nothing has this name.
    pub(super) fn is_free(&self, name: &str) -> bool {
        let found = fs::symlink_metadata(self.path_of(name));
        found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// There are too many files of this name.
    pub(super) fn taken(&self, name: &str) -> EvidenceError {
        let source = io::ErrorKind::AlreadyExists.into();
        failed("cannot find a name like", &self.path_of(name))(source)
    }

    /// Adds bytes to the file of this name, or makes it: whoever looks sees the file from before or the whole of it. Once it is on the disk, the
    /// oldest others but those that `stay` go until there is room for it; those that are gone are in `removed`, whatever comes of it.
    pub(super) fn put(
        &self,
        name: &str,
        bytes: &[u8],
        stay: &HashSet<String>,
        removed: &mut Vec<PathBuf>,
    ) -> Result<(), EvidenceError> {
        let path = self.path_of(name);
        let before = open(&path)?;
        let size = before.as_ref().map_or(0, |(_, size)| *size) + bytes.len() as u64;
        let mut others = self.ours()?;
        others.retain(|file| file.name != name);
        let (files, sum) = (self.most_files.saturating_sub(1), self.most_bytes.checked_sub(size));
        let gone = sum.and_then(|sum| excess(others, files, sum, stay));
        let gone = gone.ok_or_else(|| EvidenceError::Crowded { path: self.path.clone() })?;
        let (unfinished, file) = self.begin(name)?;
        let named = write(file, &unfinished, before, bytes).and_then(|()| {
            for name in gone {
                self.remove(&name)?;
                removed.push(self.path_of(&name));
            }
            fs::rename(&unfinished, &path).map_err(failed("cannot name", &path))
        });
        if named.is_err() {
            // It is ours; that it could not be written is what is told.
            let _ = fs::remove_file(&unfinished);
        }
        named
    }

    /// Makes a file that nobody else has, to be given this name once it is whole.
    fn begin(&self, name: &str) -> Result<(PathBuf, File), EvidenceError> {
        let path = self.path.join(format!("{name}{UNFINISHED}"));
        let mut new = OpenOptions::new();
        let file = new.write(true).create_new(true).mode(FILE_MODE).open(&path);
        let file = file.map_err(failed("cannot make", &path))?;
        Ok((path, file))
    }

    fn remove(&self, name: &str) -> Result<(), EvidenceError> {
        let path = self.path_of(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("cannot remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Our files, oldest first.
    pub(super) fn ours(&self) -> Result<Vec<Ours>, EvidenceError> {
        let mut ours = Vec::new();
        for name in self.names()?.into_iter().filter(|name| is_ours(name)) {
            // Gone meanwhile, or a folder or link of that name: not ours to count.
            let Ok(file) = fs::symlink_metadata(self.path_of(&name)) else { continue };
            if file.is_file() {
                ours.push(Ours { name, bytes: file.len() });
            }
        }
        ours.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(ours)
    }

    fn names(&self) -> Result<Vec<String>, EvidenceError> {
        let refused = || failed("cannot list", &self.path);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(refused())? {
            // Our names are UTF-8.
            names.extend(entry.map_err(refused())?.file_name().into_string().ok());
        }
        Ok(names)
    }
}

/// A file that is there, and its size. Neither a link is followed nor a pipe waited for.
fn open(path: &Path) -> Result<Option<(File, u64)>, EvidenceError> {
    let no_file = || EvidenceError::NoFile { path: path.to_owned() };
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Err(no_file()),
        Err(error) => return Err(failed("cannot read", path)(error)),
    };
    let known = file.metadata().map_err(failed("cannot look at", path))?;
    if known.is_file() { Ok(Some((file, known.len()))) } else { Err(no_file()) }
}

/// What was there before and what comes behind it, on the disk.
fn write(
    mut file: File,
    path: &Path,
    before: Option<(File, u64)>,
    bytes: &[u8],
) -> Result<(), EvidenceError> {
    // Whatever the process's mask takes away.
    let set = file.set_permissions(Permissions::from_mode(FILE_MODE));
    set.map_err(failed("cannot set the mode of", path))?;
    if let Some((mut before, _)) = before {
        io::copy(&mut before, &mut file).map_err(failed("cannot write", path))?;
    }
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(failed("cannot write", path))
}

/// The oldest files, but none of those that stay, without which there are so many with so many bytes at the most; none where that takes others.
fn excess(
    all: Vec<Ours>,
    most_files: usize,
    most_bytes: u64,
    stay: &HashSet<String>,
) -> Option<Vec<String>> {
    let mut files = all.len();
    let mut sum = all.iter().map(|file| file.bytes).sum::<u64>();
    let mut gone = Vec::new();
    for oldest in all {
        if files <= most_files && sum <= most_bytes {
            break;
        }
        if !stay.contains(&oldest.name) {
            files -= 1;
            sum -= oldest.bytes;
            gone.push(oldest.name);
        }
    }
    (files <= most_files && sum <= most_bytes).then_some(gone)
}

/// A name that [`super::stem`] begins: a time between the beginning and a word.
fn is_ours(name: &str) -> bool {
    const TIME: &str = "00000000T000000.000000Z-";
    let Some(rest) = name.strip_prefix(PREFIX).filter(|_| name.ends_with(SUFFIX)) else {
        return false;
    };
    let fits = |(form, c): (char, char)| if form == '0' { c.is_ascii_digit() } else { form == c };
    rest.len() > TIME.len() && TIME.chars().zip(rest.chars()).all(fits)
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EvidenceError {
    let path = path.to_owned();
    move |source| EvidenceError::System { doing, path, source }
}
