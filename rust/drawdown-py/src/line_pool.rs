//! Pieces of one to sixteen cache lines, each beginning at a line: an account's grants.
//!
//! ```text
//! span   64 KiB of a 2 MiB huge page: pieces of one class side by side, each behind the other
//! class  the free pieces, each holding the address of the next; then what its span has left
//! ```
//!
//! The system's allocator puts a header before every piece and so spends two lines on a grant of
//! one, and leaves holes that fit nothing (measured: 160 bytes for every account). Spans are not given
//! back: what the state held once it may hold again.
#![allow(unsafe_code)]

use crate::allocator::{HUGE_PAGE, ask};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) const LINE: usize = 64;
const CLASSES: usize = 16;
const SPAN: usize = 64 << 10;

/// The class that serves a layout: pieces of `class + 1` lines. Nothing else asks for whole lines than
/// what was laid out in them.
#[inline(always)]
pub(crate) fn class_of(layout: Layout) -> Option<usize> {
    let served = layout.align() == LINE && 0 < layout.size() && layout.size() <= CLASSES * LINE;
    served.then(|| (layout.size() - 1) / LINE)
}

/// Free memory from `next` to `end`.
struct Rest {
    next: usize,
    end: usize,
}

impl Rest {
    /// Cut off so many bytes, if there are as many.
    fn cut(&mut self, bytes: usize) -> Option<usize> {
        let cut = self.next;
        (self.end - cut >= bytes).then(|| {
            self.next = cut + bytes;
            cut
        })
    }
}

struct Class {
    /// Address of a free piece, 0 for none; a free piece begins with the address of the next.
    free: usize,
    rest: Rest,
}

/// The pool. All its pieces may be taken and given back on any thread.
pub(crate) struct LinePool {
    classes: [Mutex<Class>; CLASSES],
    huge_page: Mutex<Rest>,
}

impl LinePool {
    pub(crate) const fn new() -> LinePool {
        const EMPTY: Rest = Rest { next: 0, end: 0 };
        LinePool {
            classes: [const { Mutex::new(Class { free: 0, rest: EMPTY }) }; CLASSES],
            huge_page: Mutex::new(EMPTY),
        }
    }

    /// A piece of `class + 1` lines with any content; null when there is no memory.
    pub(crate) fn take(&self, class: usize) -> *mut u8 {
        let mut held = locked(&self.classes[class]);
        if held.free != 0 {
            let piece = held.free as *mut usize;
            // SAFETY: a free piece of this class, which nobody else has while the lock is held.
            held.free = unsafe { piece.read() };
            return piece.cast();
        }
        let bytes = (class + 1) * LINE;
        if let Some(piece) = held.rest.cut(bytes) {
            return piece as *mut u8;
        }
        // What the old span has left is too small for this class and is left.
        let Some(span) = self.span() else { return null_mut() };
        held.rest = Rest { next: span + bytes, end: span + SPAN };
        span as *mut u8
    }

    /// # Safety
    /// The piece was taken from this class, and is nobody's any more.
    pub(crate) unsafe fn give_back(&self, class: usize, piece: *mut u8) {
        let mut held = locked(&self.classes[class]);
        // SAFETY: the piece is at least a line, begins at one, and is the caller's to give.
        unsafe { piece.cast::<usize>().write(held.free) };
        held.free = piece as usize;
    }

    fn span(&self) -> Option<usize> {
        let mut page = locked(&self.huge_page);
        page.cut(SPAN).or_else(|| {
            let layout = Layout::from_size_align(HUGE_PAGE, HUGE_PAGE).ok()?;
            // SAFETY: the layout has a size.
            let made = unsafe { System.alloc(layout) } as usize;
            if made == 0 {
                return None;
            }
            ask(made, made + HUGE_PAGE);
            *page = Rest { next: made + SPAN, end: made + HUGE_PAGE };
            Some(made)
        })
    }
}

/// An allocator must not unwind, and what the lock guards is whole between any two steps.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    static POOL: LinePool = LinePool::new();

    #[test]
    fn pieces_never_overlap_on_any_thread_and_are_used_again() {
        let threads: Vec<_> = (0..4_usize)
            .map(|thread| {
                std::thread::spawn(move || {
                    let mut taken = Vec::new();
                    for round in 0..if cfg!(miri) { 16 } else { 3_000_usize } {
                        let class = (thread + round * 7) % CLASSES;
                        let piece = POOL.take(class);
                        assert!(!piece.is_null() && (piece as usize).is_multiple_of(LINE));
                        let mark = (thread * 31 + round) as u8;
                        // SAFETY: the piece is so long, and this thread's.
                        unsafe { piece.write_bytes(mark, (class + 1) * LINE) };
                        taken.push((class, piece as usize, mark));
                        if round % 3 == 0 {
                            let (class, piece, mark) = taken.swap_remove(round % taken.len());
                            assert_whole(class, piece, mark);
                            // SAFETY: taken above, and forgotten here.
                            unsafe { POOL.give_back(class, piece as *mut u8) };
                        }
                    }
                    for (class, piece, mark) in &taken {
                        assert_whole(*class, *piece, *mark);
                    }
                    taken
                })
            })
            .collect();
        let taken: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let lines: BTreeSet<usize> =
            taken.iter().flat_map(|(class, piece, _)| (0..=*class).map(move |line| piece + line * LINE)).collect();
        assert_eq!(taken.iter().map(|(class, ..)| class + 1).sum::<usize>(), lines.len());
        let (class, piece, _) = taken[0];
        // SAFETY: taken above; nobody looks at it any more.
        unsafe { POOL.give_back(class, piece as *mut u8) };
        assert_eq!(piece, POOL.take(class) as usize);
    }

    fn assert_whole(class: usize, piece: usize, mark: u8) {
        // SAFETY: taken by the caller and written whole.
        let bytes = unsafe { std::slice::from_raw_parts(piece as *const u8, (class + 1) * LINE) };
        assert!(bytes.iter().all(|byte| *byte == mark), "a piece of {} lines", class + 1);
    }

    #[test]
    fn only_whole_lines_that_are_aligned_come_from_the_pool() {
        let class = |size, align| class_of(Layout::from_size_align(size, align).unwrap());
        assert_eq!(
            (Some(0), Some(0), Some(1), Some(15)),
            (class(1, 64), class(64, 64), class(65, 64), class(1024, 64))
        );
        assert_eq!((None, None, None), (class(1025, 64), class(64, 8), class(128, 128)));
    }
}
