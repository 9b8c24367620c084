//! Another network namespace: what runs in it sees its interfaces.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    thread,
};

use nix::sched::{CloneFlags, setns, unshare};

use super::Error;

/// A network namespace, held open. One that has no name ends with its last holder.
#[derive(Debug)]
pub struct Namespace(OwnedFd);

impl Namespace {
    /// The namespace of this thread.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn current() -> Result<Self, Error> {
        let doing = "opening this thread's network namespace";
        let file = File::open("/proc/thread-self/ns/net").map_err(Error::system(doing))?;
        Ok(Self(file.into()))
    }

    /// A namespace by name, as `ip netns` keeps them, or by path.
    ///
    /// # Errors
    /// When it is not there.
    pub fn open(name: &str) -> Result<Self, Error> {
        let path = if name.contains('/') {
            Path::new(name).to_path_buf()
        } else {
            Path::new("/run/netns").join(name)
        };
        let file = File::open(path).map_err(Error::system("opening the network namespace"))?;
        Ok(Self(file.into()))
    }

    /// A new one without a name: nothing of it is left when it is dropped.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn create() -> Result<Self, Error> {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
            File::open("/proc/thread-self/ns/net")
        });
        let file = join(made).map_err(Error::system("making a network namespace"))?;
        Ok(Self(file.into()))
    }

    /// Runs `work` on a thread of its own inside the namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered, which takes CAP_SYS_ADMIN.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(self.0.as_fd(), CloneFlags::CLONE_NEWNET)?;
                Ok::<_, nix::Error>(work())
            });
            match inside.join() {
                Ok(done) => done.map_err(|errno| Error::System {
                    doing: "entering the network namespace",
                    source: errno.into(),
                }),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// The descriptor, for netlink to move interfaces by.
    #[must_use]
    pub fn fd(&self) -> &OwnedFd {
        &self.0
    }
}

fn join<T>(thread: thread::JoinHandle<T>) -> T {
    match thread.join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
