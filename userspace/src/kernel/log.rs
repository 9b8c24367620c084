//! The probe's own diagnostics, on their way into the collector's log.

use std::sync::Arc;

use aya_log::EbpfLogger;
use tokio::io::{Interest, unix::AsyncFd};

use super::{Error, Probe};

/// Forwards the probe's log for as long as it is polled. With the level at 0 the probe writes none.
///
/// # Errors
/// When the ring cannot be opened or waited on.
pub fn pump(
    probe: &mut Probe,
) -> Result<impl Future<Output = Result<(), Error>> + Send + 'static, Error> {
    let logger = EbpfLogger::init_with_logger(&mut probe.ebpf, Arc::new(log::logger()));
    let logger = logger.map_err(|error| Error::System {
        doing: "opening the probe's log",
        source: std::io::Error::other(error.to_string()),
    })?;
    Ok(async move {
        // SAFETY: the logger owns its ring's descriptor and keeps it open until it is dropped, with the `AsyncFd`.
        let waiting = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) };
        let mut logger =
            waiting.map_err(|error| Error::system("waiting on the probe's log")(error.into()))?;
        loop {
            let mut guard =
                logger.readable_mut().await.map_err(Error::system("waiting on the probe's log"))?;
            guard.get_inner_mut().flush();
            guard.clear_ready();
        }
    })
}
