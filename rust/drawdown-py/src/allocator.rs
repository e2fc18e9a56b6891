//! The system's allocator, which asks for huge pages where the state grows, with pools for cache lines and
//! for the parts of the table of event ids.
//!
//! The state is far larger than the processor's page tables reach: with pages of 4 KiB every look-up of
//! an event id walks them, which took a third of the time per event. `unsafe` is here, in
//! `line_pool.rs` and in `table_pool.rs` only.
#![allow(unsafe_code)]

use crate::line_pool::{LINE, LinePool, class_of};
use crate::table_pool::{TablePool, length_of};
use std::alloc::{GlobalAlloc, Layout, System};

/// What is this large may have grown the heap. A table's parts begin small.
const LARGE_BYTES: usize = 2 << 10;

/// Where the kernel has huge pages, they are of this size on all that it runs on.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

static LINES: LinePool = LinePool::new();
static TABLES: TablePool = TablePool::new();

/// Who serves a layout.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Lines(usize),
    Table(usize),
    System,
}

#[inline(always)]
fn source_of(layout: Layout) -> Source {
    if let Some(class) = class_of(layout) {
        return Source::Lines(class);
    }
    length_of(layout).map_or(Source::System, Source::Table)
}

/// As `System`; memory is given in huge pages where the kernel has them, pieces of a few whole
/// cache lines and large ones that begin at a line come from pools.
pub struct HugePageAllocator;

// SAFETY: a layout is served by a pool or by `System`, which of them follows from the layout alone;
// each is handed what it gave. Advice to the kernel changes no memory's content.
unsafe impl GlobalAlloc for HugePageAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match source_of(layout) {
            Source::Lines(class) => LINES.take(class),
            Source::Table(length) => TABLES.take(length),
            // SAFETY: the caller's promises are those of `System`.
            Source::System => advised(unsafe { System.alloc(aligned(layout)) }, layout.size()),
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match source_of(layout) {
            // SAFETY: the caller gives back what `alloc` gave for this layout.
            Source::Lines(class) => unsafe { LINES.give_back(class, pointer) },
            // SAFETY: as above.
            Source::Table(length) => unsafe { TABLES.give_back(pointer, length) },
            // SAFETY: as above.
            Source::System => unsafe { System.dealloc(pointer, aligned(layout)) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if source_of(layout) == Source::System {
            // SAFETY: as in `alloc`.
            return advised(unsafe { System.alloc_zeroed(aligned(layout)) }, layout.size());
        }
        // SAFETY: as in `alloc`; the piece is `layout.size()` bytes and nobody else's.
        unsafe {
            let piece = self.alloc(layout);
            if !piece.is_null() {
                piece.write_bytes(0, layout.size());
            }
            piece
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size with this alignment is a layout.
        let grown = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let sources = (source_of(layout), source_of(grown));
        if sources == (Source::System, Source::System) && aligned(layout) == layout && aligned(grown) == grown {
            // SAFETY: as in `alloc`.
            return advised(unsafe { System.realloc(pointer, layout, size) }, size);
        }
        if sources.0 != Source::System && sources.0 == sources.1 {
            return pointer;
        }
        // SAFETY: both pieces are as large as their layouts say, and not the same.
        unsafe {
            let piece = self.alloc(grown);
            if !piece.is_null() {
                piece.copy_from_nonoverlapping(pointer, layout.size().min(size));
                self.dealloc(pointer, layout);
            }
            piece
        }
    }
}

/// Cache lines by the whole huge page begin at one.
#[inline(always)]
fn aligned(layout: Layout) -> Layout {
    if layout.align() < LINE || !layout.size().is_multiple_of(HUGE_PAGE) {
        return layout;
    }
    layout.align_to(HUGE_PAGE).unwrap_or(layout)
}

#[inline(always)]
fn advised(pointer: *mut u8, size: usize) -> *mut u8 {
    if size >= LARGE_BYTES && !pointer.is_null() {
        advise(pointer as usize, size);
    }
    pointer
}

// Miri has neither call.
#[cfg(any(miri, not(all(target_os = "linux", target_env = "gnu"))))]
fn advise(_: usize, _: usize) {}

#[cfg(any(miri, not(all(target_os = "linux", target_env = "gnu"))))]
pub(crate) fn ask(_: usize, _: usize) {}

#[cfg(all(not(miri), target_os = "linux", target_env = "gnu"))]
#[cold]
fn advise(address: usize, size: usize) {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    const PAGE: usize = 4 << 10;
    /// The end of the heap when it was last advised.
    static ADVISED: AtomicUsize = AtomicUsize::new(0);

    // SAFETY: an increment of 0 only tells where the heap ends.
    let heap_end = unsafe { libc::sbrk(0) } as usize;
    if address >= heap_end {
        // A mapping of its own: only whole huge pages, so that nobody else's memory is meant.
        let start = address.next_multiple_of(HUGE_PAGE);
        let end = (address + size) / HUGE_PAGE * HUGE_PAGE;
        return ask(start, end);
    }
    // The heap grows in steps larger than one piece: what is free at its end is asked for as well,
    // before its first touch; a page once touched stays as it is.
    let before = ADVISED.swap(heap_end, Relaxed);
    if before != heap_end {
        let start = if (1..heap_end).contains(&before) { before } else { address };
        ask(start / PAGE * PAGE, heap_end / PAGE * PAGE);
    }
}

#[cfg(all(not(miri), target_os = "linux", target_env = "gnu"))]
pub(crate) fn ask(start: usize, end: usize) {
    if start < end {
        // SAFETY: the range is mapped memory of this process, and the advice changes no content. A
        // refusal (a kernel without huge pages) is as good as no advice.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) unsafe fn give_up(_: usize, _: usize) {}

/// The pages from `start` to `end` go back to the kernel; what stood there is gone.
///
/// # Safety
/// The range is of whole pages, mapped, and nothing in it is anybody's.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) unsafe fn give_up(start: usize, end: usize) {
    if start < end {
        // SAFETY: the caller's promise. A refusal keeps the memory as it is.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_content_through_growth_and_shrinking() {
        for align in [8, 64] {
            let sizes = [64, 128, 96, 4096, 1024, 200_000, 199_999, 20_000, HUGE_PAGE, 3 * HUGE_PAGE, 64, 1];
            let mut layout = Layout::from_size_align(sizes[0], align).unwrap();
            // SAFETY: every layout has a size, sizes given on are those asked for, the piece is freed once.
            unsafe {
                let mut piece = HugePageAllocator.alloc_zeroed(layout);
                assert_eq!(0, *piece.add(layout.size() - 1));
                *piece = 7;
                for size in sizes {
                    piece = HugePageAllocator.realloc(piece, layout, size);
                    layout = Layout::from_size_align(size, align).unwrap();
                    assert!(!piece.is_null() && (piece as usize).is_multiple_of(align));
                    assert_eq!(7, *piece, "{size}");
                    if align == LINE && size.is_multiple_of(HUGE_PAGE) {
                        assert!((piece as usize).is_multiple_of(HUGE_PAGE));
                    }
                    piece.add(1).write_bytes(9, size - 1);
                }
                HugePageAllocator.dealloc(piece, layout);
            }
        }
    }
}
