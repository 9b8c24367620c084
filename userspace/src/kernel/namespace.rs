//! Another network namespace: what runs in it sees its interfaces.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    thread,
};

use nix::sched::{CloneFlags, setns, unshare};

use super::Error;

/// A network namespace.
#[derive(Debug)]
pub struct Namespace {
    /// Held open; one that has no name ends with its last holder. `None` is this process's own.
    other: Option<OwnedFd>,
}

impl Namespace {
    /// The one this process is in.
    #[must_use]
    pub const fn own() -> Self {
        Self { other: None }
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
        Ok(Self { other: Some(file.into()) })
    }

    /// Runs `work` inside the namespace: on this thread in our own, else on one made for it.
    ///
    /// # Errors
    /// When another namespace cannot be entered, which takes CAP_SYS_ADMIN.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        let Some(other) = &self.other else { return Ok(work()) };
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(other.as_fd(), CloneFlags::CLONE_NEWNET)?;
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

    /// The descriptor, for netlink to move interfaces by; none for our own.
    #[must_use]
    pub const fn fd(&self) -> Option<&OwnedFd> {
        self.other.as_ref()
    }
}

fn join<T>(thread: thread::JoinHandle<T>) -> T {
    match thread.join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
