//! Being told to stop: Ctrl-C, and on Unix SIGTERM as well.

use opsconductor_core::{Error, ErrorKind};

/// Hears the signals that ask the program to stop. From its making on they no longer kill the process outright, so that
/// what was begun can be put away.
pub(crate) struct Interrupt {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(not(unix))]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Interrupt {
    /// Starts to listen, at once and not when it is first awaited.
    pub(crate) fn listen() -> Result<Self, Error> {
        Self::install().map_err(|source| {
            Error::new(ErrorKind::Internal, "the program cannot listen for Ctrl-C").with_source(source)
        })
    }

    #[cfg(unix)]
    fn install() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    fn install() -> std::io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    /// Waits for the next signal; one that came since [`Interrupt::listen`] counts.
    #[cfg(unix)]
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for the next signal; one that came since [`Interrupt::listen`] counts.
    #[cfg(not(unix))]
    pub(crate) async fn received(&mut self) {
        self.interrupt.recv().await;
    }
}
