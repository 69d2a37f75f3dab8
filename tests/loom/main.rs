//! The hand-offs, model-checked: the rooms that run, under a small kernel and small workers, in every order that threads
//! may interleave and with every value that a load may return.
//!
//! Without `--cfg loom` nothing of this is built. `.ci/loom` runs it, and then shows that it fails when a room is broken:
//! it is run against sources with a mistake each.
#![cfg(loom)]

mod kernel;
mod pond;
mod turns;
mod rest;
mod ends;
mod ring;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering};
use std::time::Instant;

use loom::model::Builder;
use loom::thread;

/// A preemption is a switch away from a thread that could go on. Models of three and four threads are tried with at most
/// so many, which takes seconds; the first of them was once tried whole, 585,114 orders, and nothing else was found.
/// Models of two threads are always tried whole.
const PREEMPTIONS_MAX: usize = 4;

/// Tries a model in every order; says how often it counted what it was given to count.
fn try_orders(preemptions_max: Option<usize>, model: impl Fn(&Arc<Count>) + Send + Sync + 'static) -> usize {
    let (counted, tried) = (Arc::new(Count::new(0)), Arc::new(Count::new(0)));
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions_max;
    let (counted_inside, tried_inside) = (Arc::clone(&counted), Arc::clone(&tried));
    let begun = Instant::now();
    builder.check(move || {
        tried_inside.fetch_add(1, Ordering::Relaxed);
        model(&counted_inside);
    });
    let counted = counted.load(Ordering::Relaxed);
    println!("{} orders in {:.1?}, counted {counted} times", tried.load(Ordering::Relaxed), begun.elapsed());
    counted
}

fn spawn<W: 'static>(world: &Arc<W>, run: impl FnOnce(&W) + 'static) -> thread::JoinHandle<()> {
    let world = Arc::clone(world);
    thread::spawn(move || run(&world))
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
}
