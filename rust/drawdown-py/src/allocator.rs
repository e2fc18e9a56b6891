//! The system's allocator, which asks for huge pages where tables grow.
//!
//! The state is far larger than the processor's page tables reach: with pages of 4 KiB every look-up of
//! an event id walks them, which took a third of the time per event. The only file with `unsafe`.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

/// What is this large is a table or a buffer that is used again.
const LARGE_BYTES: usize = 128 << 10;

/// As `System`; memory of large pieces is given in huge pages where the kernel has them.
pub struct HugePageAllocator;

// SAFETY: every call is handed on unchanged, and advice to the kernel changes no memory's content.
unsafe impl GlobalAlloc for HugePageAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of `System`.
        advised(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        advised(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        advised(unsafe { System.realloc(pointer, layout, size) }, size)
    }
}

#[inline(always)]
fn advised(pointer: *mut u8, size: usize) -> *mut u8 {
    if size >= LARGE_BYTES && !pointer.is_null() {
        advise(pointer as usize, size);
    }
    pointer
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn advise(_: usize, _: usize) {}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[cold]
fn advise(address: usize, size: usize) {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    const PAGE: usize = 4 << 10;
    const HUGE_PAGE: usize = 2 << 20;
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
        let start = if before < heap_end { before.max(address) } else { address };
        ask(start / PAGE * PAGE, heap_end / PAGE * PAGE);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn ask(start: usize, end: usize) {
    if start < end {
        // SAFETY: the range is mapped memory of this process, and the advice changes no content. A
        // refusal (a kernel without huge pages) is as good as no advice.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pieces_keep_their_content_through_growth() {
        let layout = Layout::from_size_align(LARGE_BYTES, 64).unwrap();
        // SAFETY: the layout has a size, sizes given on are those asked for, the piece is freed once.
        unsafe {
            let piece = HugePageAllocator.alloc_zeroed(layout);
            assert!(!piece.is_null());
            *piece.add(LARGE_BYTES - 1) = 7;
            let size = 64 * LARGE_BYTES;
            let grown = HugePageAllocator.realloc(piece, layout, size);
            assert!(!grown.is_null() && (grown as usize).is_multiple_of(64));
            assert_eq!((0, 7), (*grown, *grown.add(LARGE_BYTES - 1)));
            *grown.add(size - 1) = 9;
            HugePageAllocator.dealloc(grown, Layout::from_size_align(size, 64).unwrap());
        }
    }
}
