//! Requests from outside: to end, from the terminal, the system, another process or a test; and messages for the agent. One
//! door for all of them.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::event::{RequestId, RunOutcome};

/// A request of another process to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Names the request; the answer names it too.
    pub id: RequestId,
    /// Whether the agent is to be ended without its grace.
    pub now: bool,
}

/// A message of another process for the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steer {
    /// Names the request; the answer names it too.
    pub id: RequestId,
    /// The message.
    pub text: String,
}

/// What another process asks of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// To end.
    Stop(Stop),
    /// To tell the agent something.
    Steer(Steer),
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A signal, by its number.
    Signal(i32),
    /// A request.
    Request(RequestId),
}

impl By {
    /// How a run ends that ends for this.
    pub(crate) fn outcome(&self) -> RunOutcome {
        match self {
            Self::Signal(_) => RunOutcome::Interrupted,
            Self::Request(_) => RunOutcome::Stopped,
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(number) => write!(formatter, "interrupted by signal {number}"),
            Self::Request(id) => write!(formatter, "stopped as asked by request {id}"),
        }
    }
}

/// How hard the run was asked to end, and by whom first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Who came first.
    pub(crate) by: By,
    /// 1 is graceful, more is now. Each signal counts; a request is 1 or 2, however often it comes.
    pub(crate) times: u32,
}

impl Asked {
    /// The signal, where one came first.
    pub(crate) fn signal(&self) -> Option<i32> {
        match self.by {
            By::Signal(number) => Some(number),
            By::Request(_) => None,
        }
    }
}

/// What has come through the door.
#[derive(Debug, Default)]
struct Heard {
    asked: Option<Asked>,
    /// Requests without an answer; true for those that were left for a run that is no more.
    open: Vec<(Stop, bool)>,
    /// Messages that nobody has taken.
    steers: Vec<Steer>,
    known: HashSet<RequestId>,
}

impl Heard {
    fn signal(&mut self, number: i32) {
        match &mut self.asked {
            None => self.asked = Some(Asked { by: By::Signal(number), times: 1 }),
            Some(asked) => asked.times = asked.times.saturating_add(1),
        }
    }

    /// Takes a request; false when it is known. A message that was left for a run that is no more is as good as any: whoever
    /// left it has taken it back if it was to be heard by that one only.
    fn request(&mut self, request: Request, late: bool) -> bool {
        match request {
            Request::Stop(stop) => self.stop(stop, late),
            Request::Steer(steer) => {
                let new = self.known.insert(steer.id.clone());
                if new {
                    self.steers.push(steer);
                }
                new
            }
        }
    }

    fn stop(&mut self, stop: Stop, late: bool) -> bool {
        if !self.known.insert(stop.id.clone()) {
            return false;
        }
        if !late {
            let times = if stop.now { 2 } else { 1 };
            match &mut self.asked {
                None => self.asked = Some(Asked { by: By::Request(stop.id.clone()), times }),
                Some(asked) => asked.times = asked.times.max(times),
            }
        }
        self.open.push((stop, late));
        true
    }
}

/// Looks for requests that other processes have left.
pub type Inbox = Box<dyn FnMut() -> Vec<Request> + Send>;

/// Hears signals and requests for as long as the run lasts: once is graceful, twice is now.
#[derive(Clone)]
pub struct Shutdown {
    tell: Arc<watch::Sender<Heard>>,
    heard: watch::Receiver<Heard>,
    inbox: Arc<Mutex<Inbox>>,
}

impl Shutdown {
    /// Listens to INT, TERM and HUP of this process, and to nobody else. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// When a handler cannot be installed.
    pub fn listen() -> io::Result<Self> {
        let (tell, heard) = watch::channel(Heard::default());
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let tell = Arc::new(tell);
        let listener = Arc::clone(&tell);
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    Some(()) = interrupt.recv() => 2,
                    Some(()) = terminate.recv() => 15,
                    Some(()) = hangup.recv() => 1,
                    () = listener.closed() => return,
                };
                listener.send_modify(|heard| heard.signal(number));
            }
        });
        let nobody: Inbox = Box::new(Vec::new);
        Ok(Self { tell, heard, inbox: Arc::new(Mutex::new(nobody)) })
    }

    /// Also hears the requests that `inbox` finds. `late` are requests that were left for this run when nobody ran it;
    /// those to end are answered and end nothing.
    #[must_use]
    pub fn reading(mut self, inbox: Inbox, late: Vec<Request>) -> Self {
        self.inbox = Arc::new(Mutex::new(inbox));
        self.take(late, true);
        self
    }

    /// Looks for requests now. To be called when something may have come.
    pub fn look(&self) {
        let found = (self.inbox.lock().unwrap_or_else(PoisonError::into_inner))();
        self.take(found, false);
    }

    fn take(&self, found: Vec<Request>, late: bool) {
        self.tell.send_if_modified(|heard| {
            found.into_iter().filter(|request| heard.request(request.clone(), late)).count() > 0
        });
    }

    /// A door that hears the end as this one does, and nothing else: requests are answered by whoever has this one. Needs a
    /// tokio runtime.
    #[must_use]
    pub fn inner(&self) -> Self {
        let (tell, heard) = watch::channel(Heard { asked: self.asked(), ..Heard::default() });
        let tell = Arc::new(tell);
        let (relay, mut outer) = (Arc::clone(&tell), self.clone());
        tokio::spawn(async move {
            let mut times = 0;
            loop {
                let asked = tokio::select! {
                    asked = outer.asked_more_than(times) => asked,
                    () = relay.closed() => return,
                };
                times = asked.times;
                relay.send_modify(|heard| heard.asked = Some(asked));
            }
        });
        let nobody: Inbox = Box::new(Vec::new);
        Self { tell, heard, inbox: Arc::new(Mutex::new(nobody)) }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Option<Asked> {
        self.heard.borrow().asked.clone()
    }

    /// How often it was asked so far.
    pub(crate) fn times(&self) -> u32 {
        times(&self.heard.borrow())
    }

    /// The requests that nobody has answered, which the caller now does; true for those that come too late.
    pub(crate) fn take_open(&self) -> Vec<(Stop, bool)> {
        let mut open = Vec::new();
        self.tell.send_if_modified(|heard| {
            open = std::mem::take(&mut heard.open);
            false
        });
        open
    }

    /// The messages for the agent that nobody has taken, oldest first; the caller puts them on record. One that is on record
    /// already may be among them once more when a killed run goes on.
    pub fn take_steers(&self) -> Vec<Steer> {
        let mut steers = Vec::new();
        self.tell.send_if_modified(|heard| {
            steers = std::mem::take(&mut heard.steers);
            false
        });
        steers
    }

    /// Waits until there is a message for the agent that nobody has taken. Can be cancelled.
    pub async fn steered(&self) {
        let mut heard = self.heard.clone();
        if heard.wait_for(|heard| !heard.steers.is_empty()).await.is_err() {
            // Nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until somebody wants the end. Can be cancelled.
    pub async fn wanted(&mut self) {
        self.asked_more_than(0).await;
    }

    /// Waits until it is asked more than `times` times.
    pub(crate) async fn asked_more_than(&mut self, times: u32) -> Asked {
        self.when(|heard| self::times(heard) > times).await
    }

    /// Waits until it is asked more than `times` times, or there is a request to answer.
    pub(crate) async fn news(&mut self, times: u32) -> Asked {
        self.when(|heard| self::times(heard) > times || !heard.open.is_empty()).await
    }

    async fn when(&mut self, mut so: impl FnMut(&Heard) -> bool) -> Asked {
        if let Ok(heard) = self.heard.wait_for(|heard| heard.asked.is_some() && so(heard)).await
            && let Some(asked) = &heard.asked
        {
            return asked.clone();
        }
        // Nobody can ask any more.
        std::future::pending().await
    }
}

fn times(heard: &Heard) -> u32 {
    heard.asked.as_ref().map_or(0, |asked| asked.times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(id: &str, now: bool) -> Request {
        Request::Stop(Stop { id: RequestId::new(id), now })
    }

    fn steer(id: &str, text: &str) -> Request {
        Request::Steer(Steer { id: RequestId::new(id), text: text.to_owned() })
    }

    fn state(heard: &Heard) -> (Option<By>, u32, usize) {
        (heard.asked.as_ref().map(|asked| asked.by.clone()), times(heard), heard.open.len())
    }

    #[test]
    fn who_comes_first_decides_and_a_request_counts_once() {
        let mut heard = Heard::default();
        let by = Some(By::Request(RequestId::new("a")));
        assert!(heard.request(stop("a", false), false));
        assert!(!heard.request(stop("a", false), false), "known");
        assert!(heard.request(stop("b", false), false));
        assert_eq!(state(&heard), (by.clone(), 1, 2));
        heard.request(stop("c", true), false);
        heard.request(stop("d", false), false);
        assert_eq!(state(&heard), (by.clone(), 2, 4));
        heard.signal(2);
        assert_eq!(state(&heard), (by, 3, 4));
    }

    #[test]
    fn a_signal_that_came_first_stays_what_the_run_ends_of() {
        let mut heard = Heard::default();
        heard.signal(15);
        heard.request(stop("a", false), false);
        assert_eq!(state(&heard), (Some(By::Signal(15)), 1, 1));
        heard.request(stop("b", true), false);
        assert_eq!(state(&heard), (Some(By::Signal(15)), 2, 2));
        assert_eq!(By::Signal(15).outcome(), RunOutcome::Interrupted);
    }

    #[test]
    fn what_comes_too_late_ends_nothing() {
        let mut heard = Heard::default();
        assert!(heard.request(stop("a", true), true));
        assert_eq!(state(&heard), (None, 0, 1));
    }
    #[tokio::test]
    async fn a_message_is_heard_once_and_ends_nothing() {
        let left = Arc::new(Mutex::new(vec![steer("a", "one")]));
        let inbox = Arc::clone(&left);
        let shutdown = Shutdown::listen()
            .unwrap()
            .reading(Box::new(move || inbox.lock().unwrap().clone()), vec![steer("late", "zero")]);
        shutdown.look();
        shutdown.look();
        shutdown.steered().await;
        let taken: Vec<String> = shutdown.take_steers().into_iter().map(|steer| steer.text).collect();
        assert_eq!(taken, ["zero", "one"]);
        assert_eq!((shutdown.asked(), shutdown.times()), (None, 0));
        assert_eq!(shutdown.take_steers(), []);
        // Another one wakes who waits for it, and a request to end does not.
        let waits = shutdown.clone();
        let mut waiter = tokio::spawn(async move { waits.steered().await });
        left.lock().unwrap().push(stop("s", false));
        shutdown.look();
        let quiet = tokio::time::timeout(std::time::Duration::from_millis(50), &mut waiter).await;
        assert!(quiet.is_err(), "a request to end is no message");
        left.lock().unwrap().push(steer("b", "two"));
        shutdown.look();
        tokio::time::timeout(std::time::Duration::from_secs(20), waiter).await.unwrap().unwrap();
        assert_eq!(shutdown.take_steers(), [Steer { id: RequestId::new("b"), text: "two".to_owned() }]);
    }
}
