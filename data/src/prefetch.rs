//! Batches made ahead, by threads that end with whoever takes the batches.

use std::any::Any;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use gradus_autograd::Float;

use crate::Batch;
use crate::augment::Workspace;
use crate::batch::Plan;

/// Batches that a worker may be ahead.
const AHEAD: usize = 2;

/// The batches of an epoch in order. Worker k of n makes batches k, k + n, k + 2n …, so that none has to be sorted in;
/// without workers, they are made as they are taken.
#[derive(Debug)]
pub(crate) struct Prefetch<T: Float> {
    plan: Arc<Plan<T>>,
    workers: Vec<Worker<T>>,
    work: Workspace<T>,
    taken: usize,
    count: usize,
}

type Ends<T> = (SyncSender<Batch<T>>, Receiver<Batch<T>>);

#[derive(Debug)]
struct Worker<T: Float> {
    /// Where blank batches go and made ones come from; the worker ends when these are gone.
    ends: Option<Ends<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Float> Prefetch<T> {
    pub(crate) fn new(plan: Plan<T>, count: usize, workers: usize) -> Self {
        let plan = Arc::new(plan);
        let workers: Vec<_> = (0..workers).map_while(|_| Worker::start(&plan)).collect();
        let ahead = (workers.len() * AHEAD).min(count);
        let prefetch = Prefetch { plan, workers, work: Workspace::default(), taken: 0, count };
        (0..ahead).for_each(|number| prefetch.order(number));
        prefetch
    }

    pub(crate) fn left(&self) -> usize {
        self.count - self.taken
    }

    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Batch<T>> {
        if self.left() == 0 {
            return None;
        }
        let number = self.taken;
        self.taken += 1;
        if self.workers.is_empty() {
            let mut batch = self.plan.blank(number);
            self.plan.fill(&mut batch, &mut self.work);
            return Some(batch);
        }
        let at = number % self.workers.len();
        let Some(batch) = self.workers[at].ends.as_ref().and_then(|(_, done)| done.recv().ok())
        else {
            self.taken = self.count;
            panic!("augment: a worker panicked: {}", self.workers[at].last_words());
        };
        let next = number + self.workers.len() * AHEAD;
        if next < self.count {
            self.order(next);
        }
        Some(batch)
    }

    /// Hands a batch to its worker, which has room for it. If it has panicked, who waits for the batch will know.
    fn order(&self, number: usize) {
        if let Some((blank, _)) = &self.workers[number % self.workers.len()].ends {
            let _ = blank.send(self.plan.blank(number));
        }
    }
}

impl<T: Float> Worker<T> {
    /// `None` if the system has no more threads: fewer workers make the same batches.
    fn start(plan: &Arc<Plan<T>>) -> Option<Self> {
        let (blank, orders) = sync_channel::<Batch<T>>(AHEAD);
        let (results, done) = sync_channel(AHEAD);
        let plan = Arc::clone(plan);
        let run = move || {
            let mut work = Workspace::default();
            for mut batch in orders {
                plan.fill(&mut batch, &mut work);
                if results.send(batch).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("gradus batches".into()).spawn(run).ok()?;
        Some(Worker { ends: Some((blank, done)), thread: Some(thread) })
    }

    /// What a worker said that panicked.
    fn last_words(&mut self) -> String {
        let end = self.thread.take().map(JoinHandle::join);
        let said: Box<dyn Any + Send> = match end {
            Some(Err(said)) => said,
            _ => Box::new("it ended"),
        };
        match (said.downcast_ref::<&str>(), said.downcast_ref::<String>()) {
            (Some(said), _) => (*said).to_owned(),
            (_, Some(said)) => said.clone(),
            _ => "without a message".to_owned(),
        }
    }
}

impl<T: Float> Drop for Worker<T> {
    fn drop(&mut self) {
        self.ends = None;
        if let Some(thread) = self.thread.take() {
            // A panic that nobody waited for has been printed, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}
