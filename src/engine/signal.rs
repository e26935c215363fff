//! Requests to end: from the terminal, the system, or a test.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How hard the run was asked to end, and by which signal first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The signal that came first.
    pub(crate) signal: i32,
    /// How many came.
    pub(crate) times: u32,
}

/// Hears signals for as long as the run lasts: once is graceful, twice is now.
#[derive(Clone, Debug)]
pub struct Shutdown {
    asked: watch::Receiver<Option<Asked>>,
}

impl Shutdown {
    /// Listens to INT, TERM and HUP of this process. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// When a handler cannot be installed.
    pub fn listen() -> io::Result<Self> {
        let (tell, asked) = watch::channel(None);
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    Some(()) = interrupt.recv() => 2,
                    Some(()) = terminate.recv() => 15,
                    Some(()) = hangup.recv() => 1,
                    () = tell.closed() => return,
                };
                tell.send_modify(|asked| match asked {
                    None => *asked = Some(Asked { signal: number, times: 1 }),
                    Some(asked) => asked.times += 1,
                });
            }
        });
        Ok(Self { asked })
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Option<Asked> {
        *self.asked.borrow()
    }

    /// Waits until it is asked more than `times` times.
    pub(crate) async fn asked_more_than(&mut self, times: u32) -> Asked {
        let more = |asked: &Option<Asked>| asked.is_some_and(|asked| asked.times > times);
        match self.asked.wait_for(more).await {
            Ok(asked) => (*asked).unwrap_or(Asked { signal: 15, times: times + 1 }),
            // Nobody can ask any more.
            Err(_) => std::future::pending().await,
        }
    }
}
