//! An array that takes memory for what of it is used: a server is to hold ten thousand connections, and most hold ten.
//!
//! *Invariant:* a place is where it is for ever; what was got before stays good.
//!
//! It comes in pieces of a page or so, each made when the first of its places is used. All at once, the slots of 16,384
//! connections were half a MiB of the 3.4 that a server at rest takes.

use std::array;
use std::sync::OnceLock;

/// Places of a piece. A power of two, so that the right one is found by shifting.
const PIECE: usize = 128;

/// Places for so many, from 0 on.
#[derive(Debug)]
pub struct Slots<T> {
    pieces: Box<[OnceLock<Box<[T; PIECE]>>]>,
    capacity: usize,
}

impl<T> Slots<T> {
    pub fn new(capacity: usize) -> Slots<T> {
        Slots { pieces: (0..capacity.div_ceil(PIECE)).map(|_| OnceLock::new()).collect(), capacity }
    }

    /// How many there may be.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The place with that number; none if nothing near it has been used.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        let index = usize::try_from(index).ok()?;
        Some(&self.pieces.get(index / PIECE)?.get()?[index % PIECE])
    }

    /// Has the place with that number made, and those near it; none if there may be none of that number.
    pub fn make(&self, index: u32, mut place: impl FnMut() -> T) -> Option<&T> {
        let index = usize::try_from(index).ok().filter(|index| *index < self.capacity)?;
        let piece = self.pieces[index / PIECE].get_or_init(|| Box::new(array::from_fn(|_| place())));
        Some(&piece[index % PIECE])
    }
}
