//! Software prefetch: ask for a cache line before it is needed.
//!
//! A look-up in a table far larger than the caches waits for memory; a batch that asks for
//! all its lines first waits about once. This is a hint and changes no result.

/// Ask for the first cache line of `value`, for reading soon.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch never faults and changes no memory; the pointer comes from a
        // live reference, and SSE is part of every x86_64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(value).cast::<i8>()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = value;
    }
}

/// Ask for every cache line that `value` lies in.
#[inline(always)]
pub fn prefetch_whole<T>(value: &T) {
    const LINE_BYTES: usize = 64;
    // SAFETY: a `T` may be viewed as as many arrays of bytes-that-may-be-unset as fit it; nothing
    // is read.
    let bytes = unsafe {
        core::slice::from_raw_parts(core::ptr::from_ref(value).cast::<core::mem::MaybeUninit<u8>>(), size_of::<T>())
    };
    for byte in bytes.iter().step_by(LINE_BYTES) {
        prefetch(byte);
    }
    if let Some(last) = bytes.last() {
        prefetch(last);
    }
}
