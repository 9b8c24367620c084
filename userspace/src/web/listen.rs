//! Opening unix sockets with their files.
//!
//! The file is nobody else's business at any moment: it appears with mode 0600, is given its group, and only then opened to
//! it (0660). It is never put over one that is in use, and on the way out only removed if it is still this one.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    errno::Errno,
    sys::{
        socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr},
        stat::{Mode, fchmod},
    },
    unistd::{Gid, Group},
};

/// Its folder, where there is none.
const FOLDER_MODE: u32 = 0o755;
/// For its owner and its group.
const MODE: u32 = 0o660;

/// How long another daemon may take to make its own socket in the same folder.
const PATIENCE: Duration = Duration::from_secs(2);

/// An open unix socket.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: Place,
}

impl Socket {
    /// Makes the socket at `path` for the members of `group`, a name or a number; without one, for this process's group.
    /// A file that a dead daemon left is replaced.
    ///
    /// # Errors
    /// When something else is at `path`, when a process listens there, and when the system refuses.
    pub fn open(path: &Path, group: Option<&str>) -> anyhow::Result<Self> {
        Self::open_for("--socket", path, group)
    }

    /// The same; messages name `flag` for another path.
    pub(super) fn open_for(flag: &str, path: &Path, group: Option<&str>) -> anyhow::Result<Self> {
        let gid = gid(group)?;
        let folder = folder(path);
        make(folder).with_context(|| format!("making {}", folder.display()))?;
        // Between `bind` and `listen` a socket looks like one that a dead daemon left.
        let alone = lock(folder).with_context(|| format!("locking {}", folder.display()))?;
        let socket = bind(flag, path)?;
        let file = Place::of(path)?;
        let opened = file.give_to(gid).and_then(|()| {
            let listening = socket::listen(&socket, Backlog::MAXCONN);
            listening.with_context(|| format!("listening on {}", path.display()))
        });
        // The file locks the folder itself when it goes.
        drop(alone);
        opened?;
        Ok(Self { listener: socket.into(), file })
    }

    /// The listener, which does not block, and the file, which goes when it is dropped.
    pub(super) fn into_parts(self) -> (UnixListener, Place) {
        (self.listener, self.file)
    }
}

/// The file of a socket; removed when dropped, if it is still there.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// Opened without a way to read or write; while it is, no other file can have this inode's number.
    file: File,
}

impl Place {
    fn of(path: &Path) -> anyhow::Result<Self> {
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// By way of the open file: the path may be another's by now.
    fn give_to(&self, group: Gid) -> anyhow::Result<()> {
        let path = self.path.display();
        let file = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        chown(&file, None, Some(group.as_raw()))
            .with_context(|| format!("giving {path} to group {} (--socket-group)", name(group)))?;
        fs::set_permissions(&file, Permissions::from_mode(MODE))
            .with_context(|| format!("setting the mode of {path}"))
    }

    fn is_still_there(&self) -> io::Result<bool> {
        let (ours, there) = (self.file.metadata()?, fs::symlink_metadata(&self.path)?);
        Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Without the lock another daemon could put its own there between the look and the removal.
        let _alone = lock(folder(&self.path));
        match self.is_still_there() {
            Ok(true) => {
                if let Err(error) = fs::remove_file(&self.path) {
                    tracing::warn!(%error, path = %self.path.display(), "the unix socket stays");
                }
            }
            Ok(false) => {
                tracing::warn!(path = %self.path.display(), "another's socket took our place");
            }
            // Somebody has removed it.
            Err(_) => {}
        }
    }
}

/// Whether a process listens at `path`, without waiting for it.
///
/// # Errors
/// `NotFound` and `ConnectionRefused` when nobody does, `PermissionDenied` when that is not ours to know.
pub fn knock(path: &Path) -> io::Result<()> {
    match socket::connect(stream()?.as_raw_fd(), &UnixAddr::new(path)?) {
        // As many as may are waiting already.
        Ok(()) | Err(Errno::EAGAIN) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The name of a group, or its number where it has none.
#[must_use]
pub fn name(group: Gid) -> String {
    match Group::from_gid(group) {
        Ok(Some(group)) => group.name,
        _ => group.to_string(),
    }
}

fn gid(group: Option<&str>) -> anyhow::Result<Gid> {
    let Some(name) = group else { return Ok(Gid::effective()) };
    let known = Group::from_name(name).with_context(|| format!("looking up group {name}"))?;
    match (known, name.parse()) {
        (Some(group), _) => Ok(group.gid),
        (None, Ok(number)) => Ok(Gid::from_raw(number)),
        (None, Err(_)) => bail!("no group {name} here (--socket-group)"),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    // The process's mask may have taken from it.
    fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE))
}

/// Holds a folder until it is dropped, against others who call this.
fn lock(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    let since = Instant::now();
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(folder),
            Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A socket bound to `path`, where nothing is or what a dead daemon left.
fn bind(flag: &str, path: &Path) -> anyhow::Result<OwnedFd> {
    let socket = stream().context("making a unix socket")?;
    // Linux takes the mode of the file from the unbound socket, less the mask (unix_bind_bsd in net/unix/af_unix.c): no
    // moment at which it is open to others, and the mask, which is every thread's, stays.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR).context("setting a socket's mode")?;
    let path_text = path.display();
    let address = UnixAddr::new(path)
        .with_context(|| format!("{path_text} is too long for a unix socket ({flag})"))?;
    let mut bound = socket::bind(socket.as_raw_fd(), &address);
    // Never over anything: what is there has to go first.
    if bound == Err(Errno::EADDRINUSE) {
        clear(flag, path)?;
        bound = socket::bind(socket.as_raw_fd(), &address);
    }
    bound.with_context(|| format!("making the unix socket {path_text} ({flag})"))?;
    Ok(socket)
}

/// Removes a socket that nobody listens on.
fn clear(flag: &str, path: &Path) -> anyhow::Result<()> {
    let there = path.display();
    let kind = fs::symlink_metadata(path).with_context(|| format!("looking at {there}"))?;
    if !kind.file_type().is_socket() {
        bail!("{there} is there and no socket; {flag} names another path");
    }
    match knock(path) {
        Ok(()) => bail!("another wireledger listens on {there}; {flag} names another path"),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).with_context(|| format!("removing the unused socket {there}"))
        }
        Err(error) => {
            let what = format!("{there} is there and does not say whether it is in use");
            Err(error).context(format!("{what}; {flag} names another path"))
        }
    }
}

fn stream() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("it is there").mode() & 0o777
    }

    #[test]
    fn a_socket_is_for_owner_and_group_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/s");
        let socket = Socket::open(&path, None).expect("a socket");
        assert_eq!((mode(&path), mode(&folder.path().join("new"))), (MODE, FOLDER_MODE));
        assert!(knock(&path).is_ok());
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn an_unbound_sockets_mode_becomes_its_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let _bound = bind("--socket", &path).expect("a socket");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_dead_daemons_socket_is_replaced_and_a_live_ones_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).expect("a socket"));
        assert!(path.exists());
        let live = Socket::open(&path, None).expect("a socket");
        let refused = Socket::open(&path, None).expect_err("it is in use").to_string();
        assert!(refused.starts_with("another wireledger listens on /"), "{refused}");
        assert!(knock(&path).is_ok());
        drop(live);
    }

    #[test]
    fn what_is_no_socket_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "text").expect("writing");
        symlink(folder.path().join("nowhere"), &link).expect("a link");
        for path in [&file, &link, &folder.path().to_owned()] {
            let refused = Socket::open(path, None).expect_err("it is no socket").to_string();
            assert!(refused.contains("no socket"), "{refused}");
            assert!(fs::symlink_metadata(path).is_ok());
        }
    }

    #[test]
    fn anothers_socket_stays_where_ours_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let first = Socket::open(&path, None).expect("a socket");
        fs::remove_file(&path).expect("removing");
        let second = Socket::open(&path, None).expect("a socket");
        drop(first);
        assert!(knock(&path).is_ok());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn groups_have_names_or_numbers() {
        assert_eq!(gid(Some("root")).expect("a name"), Gid::from_raw(0));
        assert_eq!(gid(Some("12345")).expect("a number"), Gid::from_raw(12345));
        assert!(gid(Some("no such group")).is_err());
        assert_eq!(name(Gid::from_raw(0)), "root");
    }
}
