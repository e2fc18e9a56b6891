//! Large pieces that begin at a cache line, the parts of the table of event ids, in mappings of their own.
//!
//! ```text
//! extent   64 MiB of address space in huge pages where there are any; touched as it is needed
//! │ span │ span          │ stretch: free       │ span │ …     each some huge pages, in order of address
//! span     header 64 B │ piece │ piece │ piece │ …            all of one length, at least eight
//! ```
//!
//! Between them the system's allocator kept holes that other parts had left while they grew, and
//! `malloc_trim`, which protobuf's runtime calls after every ten thousand blocks it frees, gives every
//! free page back: each hole cost the huge page around it, and an event half as much time again. Here parts
//! that have outgrown a length leave whole spans, and a span's huge pages are given back as a whole.
#![allow(unsafe_code)]

use crate::allocator::{HUGE_PAGE, ask, give_up};
use crate::line_pool::LINE;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So much address space at once that the system maps it by itself, apart from its heaps.
const EXTENT: usize = 64 << 20;
const PIECE_MIN: usize = 16 << 10;
const PIECE_MAX: usize = 4 << 20;
const PIECES_MIN: usize = 8;
const LISTS: usize = 64;

/// The length of the piece that serves a layout, if it comes from here. Accounts come by the whole huge
/// page and have no holes between them.
#[inline(always)]
pub(crate) fn length_of(layout: Layout) -> Option<usize> {
    let served = layout.align() == LINE
        && (PIECE_MIN..=PIECE_MAX).contains(&layout.size())
        && !layout.size().is_multiple_of(HUGE_PAGE);
    served.then_some(layout.size().next_multiple_of(LINE))
}

/// What stands at the begin of a span.
struct Span {
    /// Of each of its pieces.
    length: usize,
    /// Where it ends.
    end: usize,
    /// Pieces that are taken.
    taken: usize,
    /// Address of a piece that was given back, 0 for none; it holds the address of the next.
    free: usize,
    /// Behind here no piece was ever taken.
    rest: usize,
    /// Address of the next span of the list, 0 for none.
    next: usize,
}

/// What stands at the begin of free memory, of whole huge pages.
struct Stretch {
    bytes: usize,
    /// Address of the next stretch, 0 for none.
    next: usize,
}

struct Held {
    /// Addresses of the first spans, by the length of their pieces.
    spans: [usize; LISTS],
    /// Address of the first stretch.
    stretches: usize,
}

impl Held {
    fn list(&mut self, length: usize) -> *mut usize {
        &raw mut self.spans[length / LINE % LISTS]
    }
}

/// The pool. All its pieces may be taken and given back on any thread.
pub(crate) struct TablePool {
    held: Mutex<Held>,
}

impl TablePool {
    pub(crate) const fn new() -> TablePool {
        TablePool { held: Mutex::new(Held { spans: [0; LISTS], stretches: 0 }) }
    }

    /// A piece of `length` bytes, whole lines, with any content; null when there is no memory.
    pub(crate) fn take(&self, length: usize) -> *mut u8 {
        let mut held = self.locked();
        let list = held.list(length);
        // SAFETY: the lists are this pool's, and nobody else's while the lock is held.
        unsafe {
            let mut at = list.read();
            while at != 0 {
                if let Some(piece) = take_from(at as *mut Span, length) {
                    return piece as *mut u8;
                }
                at = (*(at as *const Span)).next;
            }
            let Some(made) = span(&raw mut held.stretches, length) else { return null_mut() };
            (*made).next = list.read();
            list.write(made as usize);
            take_from(made, length).map_or(null_mut(), |piece| piece as *mut u8)
        }
    }

    /// # Safety
    /// The piece was taken with this length, and is nobody's any more.
    pub(crate) unsafe fn give_back(&self, piece: *mut u8, length: usize) {
        let mut held = self.locked();
        let mut link = held.list(length);
        // SAFETY: as in `take`; the piece is in one of the list's spans, and free from here on.
        unsafe {
            while *link != 0 {
                let at = *link;
                let span = at as *mut Span;
                if (at..(*span).end).contains(&(piece as usize)) {
                    piece.cast::<usize>().write((*span).free);
                    (*span).free = piece as usize;
                    (*span).taken -= 1;
                    if (*span).taken == 0 {
                        let Span { end, next, .. } = span.read();
                        *link = next;
                        insert(&raw mut held.stretches, at, end - at);
                    }
                    return;
                }
                link = &raw mut (*span).next;
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, Held> {
        // An allocator must not unwind, and the lists are whole between any two steps.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// # Safety
/// A span of the list that the caller holds.
unsafe fn take_from(span: *mut Span, length: usize) -> Option<usize> {
    // SAFETY: the caller's promise; a free piece holds the address of the next.
    unsafe {
        if (*span).length != length {
            return None;
        }
        let piece = if (*span).free != 0 {
            let piece = (*span).free;
            (*span).free = (piece as *const usize).read();
            piece
        } else if (*span).end - (*span).rest >= length {
            let piece = (*span).rest;
            (*span).rest += length;
            piece
        } else {
            return None;
        };
        (*span).taken += 1;
        Some(piece)
    }
}

/// A new span for pieces of this length.
///
/// # Safety
/// `stretches` holds the address of the first of the stretches, which nobody else looks at.
unsafe fn span(stretches: *mut usize, length: usize) -> Option<*mut Span> {
    let bytes = (LINE + PIECES_MIN * length).next_multiple_of(HUGE_PAGE);
    // SAFETY: the caller's promise; what is cut is nobody's.
    unsafe {
        let at = match cut(stretches, bytes) {
            Some(at) => at,
            None => {
                insert(stretches, extent()?, EXTENT);
                cut(stretches, bytes)?
            }
        };
        let span = at as *mut Span;
        span.write(Span { length, end: at + bytes, taken: 0, free: 0, rest: at + LINE, next: 0 });
        Some(span)
    }
}

fn extent() -> Option<usize> {
    let layout = Layout::from_size_align(EXTENT, HUGE_PAGE).ok()?;
    // SAFETY: the layout has a size.
    let made = unsafe { System.alloc(layout) } as usize;
    if made == 0 {
        return None;
    }
    ask(made, made + EXTENT);
    Some(made)
}

/// Cut so many bytes from the first stretch that has them.
///
/// # Safety
/// As `span`; `link` leads to the first stretch.
unsafe fn cut(mut link: *mut usize, bytes: usize) -> Option<usize> {
    // SAFETY: every address in the list is that of a stretch, which is free memory of the pool.
    unsafe {
        while *link != 0 {
            let at = *link;
            let stretch = at as *mut Stretch;
            let Stretch { bytes: has, next } = stretch.read();
            if has >= bytes {
                *link = next;
                if has > bytes {
                    let rest = at + bytes;
                    (rest as *mut Stretch).write(Stretch { bytes: has - bytes, next });
                    *link = rest;
                }
                return Some(at);
            }
            link = &raw mut (*stretch).next;
        }
    }
    None
}

/// Put free memory where it belongs in order of address, as one with its neighbours. Its huge pages go
/// back to the system, but for the one that says how long the stretch is.
///
/// # Safety
/// As `cut`; the memory is as long, of whole huge pages, and nobody's.
unsafe fn insert(mut link: *mut usize, at: usize, bytes: usize) {
    // SAFETY: as in `cut`.
    unsafe {
        let mut before: *mut Stretch = null_mut();
        while *link != 0 && *link < at {
            before = *link as *mut Stretch;
            link = &raw mut (*before).next;
        }
        let mut joined = Stretch { bytes, next: *link };
        let mut end = at + bytes;
        if joined.next == end {
            let behind = (joined.next as *mut Stretch).read();
            joined = Stretch { bytes: bytes + behind.bytes, next: behind.next };
            end += HUGE_PAGE;
        }
        if !before.is_null() && before as usize + (*before).bytes == at {
            let bytes = (*before).bytes + joined.bytes;
            before.write(Stretch { bytes, next: joined.next });
            give_up(at, end);
            return;
        }
        (at as *mut Stretch).write(joined);
        *link = at;
        give_up(at + HUGE_PAGE, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a table's group with its slots.
    const GROUP: usize = 448;

    fn stretches(pool: &TablePool) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut at = pool.locked().stretches;
        while at != 0 {
            // SAFETY: the list is that of stretches, and no other thread has this pool.
            let Stretch { bytes, next } = unsafe { (at as *const Stretch).read() };
            found.push((at, bytes));
            at = next;
        }
        found
    }

    fn give_back(pool: &TablePool, (piece, length, mark): (usize, usize, u8)) {
        // SAFETY: taken by the caller with this length, written whole, and forgotten.
        unsafe {
            let ends = [piece, piece + LINE, piece + length - 1];
            assert_eq!([mark; 3], ends.map(|at| (at as *const u8).read()), "a piece of {length} bytes");
            pool.give_back(piece as *mut u8, length);
        }
    }

    fn take(pool: &TablePool, length: usize, mark: u8) -> (usize, usize, u8) {
        let piece = pool.take(length);
        assert!(!piece.is_null() && (piece as usize).is_multiple_of(LINE));
        // SAFETY: the piece is so long.
        unsafe {
            piece.write_bytes(mark, 2 * LINE);
            piece.add(length - LINE).write_bytes(mark, LINE);
        }
        (piece as usize, length, mark)
    }

    #[test]
    fn pieces_never_overlap_and_all_free_memory_joins_again() {
        let pool = TablePool::new();
        let mut taken = Vec::new();
        let mut random = 1_u64;
        for round in 0..2_000_usize {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let length = (PIECE_MIN + (random >> 33) as usize % 24 * 16_000).next_multiple_of(LINE);
            taken.push(take(&pool, length, round as u8));
            if taken.len() > 100 {
                give_back(&pool, taken.swap_remove((random >> 20) as usize % 100));
            }
        }
        for piece in taken.drain(..) {
            give_back(&pool, piece);
        }
        let left = stretches(&pool);
        assert!(left.iter().all(|(_, bytes)| bytes.is_multiple_of(EXTENT)), "{left:?}");
        assert!(pool.locked().spans.iter().all(|first| *first == 0));
    }

    #[test]
    fn a_table_whose_parts_have_grown_takes_what_its_parts_take() {
        let pool = TablePool::new();
        let mut parts: Vec<_> = (0..512).map(|part| take(&pool, (37 + part % 8) * GROUP, part as u8)).collect();
        let full = 580 * GROUP;
        for _ in 0..14 {
            for part in &mut parts {
                if part.1 == full {
                    continue;
                }
                let length = (part.1 / GROUP * 5 / 4 * GROUP).min(full);
                let grown = take(&pool, length, part.2);
                give_back(&pool, std::mem::replace(part, grown));
            }
        }
        let pages: std::collections::BTreeSet<usize> = parts.iter().map(|part| part.0 / HUGE_PAGE).collect();
        assert_eq!(512 / PIECES_MIN, pages.len(), "eight to a huge page");
        let extents: usize = parts.iter().map(|part| part.0 / EXTENT).collect::<std::collections::BTreeSet<_>>().len();
        let free: usize = stretches(&pool).iter().map(|(_, bytes)| bytes).sum();
        assert!(free.is_multiple_of(HUGE_PAGE) && free + pages.len() * HUGE_PAGE <= (extents + 2) * EXTENT, "{free}");
        #[cfg(target_os = "linux")]
        for (at, bytes) in stretches(&pool) {
            assert!(resident(at, bytes) <= HUGE_PAGE, "{bytes} bytes are free");
        }
    }

    /// Bytes of the range that the system has given memory for.
    #[cfg(target_os = "linux")]
    fn resident(at: usize, bytes: usize) -> usize {
        const PAGE: usize = 4 << 10;
        let (start, end) = (at.next_multiple_of(PAGE), (at + bytes) / PAGE * PAGE);
        let mut pages = vec![0_u8; (end - start) / PAGE];
        // SAFETY: the answer has a byte for each page; a range that is not mapped is refused.
        let asked = unsafe { libc::mincore(start as *mut libc::c_void, end - start, pages.as_mut_ptr()) };
        assert_eq!(0, asked);
        pages.iter().filter(|page| *page & 1 == 1).count() * PAGE
    }

    /// Else its huge page is split, and whoever looks up an id there walks page tables again.
    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn a_hole_among_the_parts_of_a_table_outlives_a_trim_of_the_heap() {
        use crate::allocator::HugePageAllocator;
        let layout = Layout::from_size_align(259_840, LINE).unwrap();
        // SAFETY: the layout has a size, the pieces are so long, and each is given back once.
        unsafe {
            let pieces: Vec<*mut u8> = (0..16).map(|_| HugePageAllocator.alloc(layout)).collect();
            for piece in &pieces {
                piece.write_bytes(7, layout.size());
            }
            let holes: Vec<*mut u8> = pieces.iter().copied().step_by(2).collect();
            for piece in &holes {
                HugePageAllocator.dealloc(*piece, layout);
            }
            libc::malloc_trim(0);
            for piece in &holes {
                assert!(resident(*piece as usize, layout.size()) > layout.size() - (8 << 10));
            }
            for piece in pieces.iter().skip(1).step_by(2) {
                HugePageAllocator.dealloc(*piece, layout);
            }
        }
    }

    #[test]
    fn only_large_pieces_that_begin_at_a_line_come_from_the_pool() {
        let length = |size, align| length_of(Layout::from_size_align(size, align).unwrap());
        assert_eq!((Some(16 << 10), Some(259_840)), (length(16 << 10, 64), length(259_840, 64)));
        assert_eq!(Some(20_032), length(20_000, 64));
        assert_eq!((None, None), (length((16 << 10) - 64, 64), length(1 << 20, 8)));
        assert_eq!((None, None, None), (length(1 << 20, 128), length(2 << 20, 64), length(5 << 20, 64)));
    }
}
