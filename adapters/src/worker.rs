//! The thread that computes what IKE must not wait for: a Diffie-Hellman takes milliseconds, in which packets go on.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use ipsec_core::work::{Work, WorkId, WorkResult};
use mio::Waker;

/// A thread that computes pieces of work, one after the other, in the order they were given.
#[derive(Debug)]
pub(crate) struct Worker {
    jobs: Sender<(WorkId, Work)>,
    results: Receiver<(WorkId, WorkResult)>,
}

impl Worker {
    /// Starts the thread. `waker` is woken for each result. The thread ends when this value is dropped.
    pub(crate) fn start(waker: Arc<Waker>) -> io::Result<Worker> {
        let (jobs, todo) = channel::<(WorkId, Work)>();
        let (done, results) = channel();
        let thread = thread::Builder::new().name("ipsec-work".into());
        thread.spawn(move || {
            for (id, work) in todo {
                // Nobody is left to hear it when the node is gone.
                if done.send((id, work.run())).is_err() || waker.wake().is_err() {
                    return;
                }
            }
        })?;
        Ok(Worker { jobs, results })
    }

    /// Gives the thread something to do. `false` when the thread is gone.
    pub(crate) fn give(&self, id: WorkId, work: Work) -> bool {
        self.jobs.send((id, work)).is_ok()
    }

    /// The next result, if there is one.
    pub(crate) fn take(&self) -> Option<(WorkId, WorkResult)> {
        self.results.try_recv().ok()
    }
}
