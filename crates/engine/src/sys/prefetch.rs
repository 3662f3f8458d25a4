//! Bytes that will be needed soon.

/// Has the line of the cache fetched in which `what` begins, while other work goes on. Where the processor offers no such
/// thing nothing is done.
pub(crate) fn prefetch<T>(what: &T) {
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "a hint that reads nothing and cannot fail, for any address")]
    // SAFETY: SSE is part of x86-64, and the address is that of a reference.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(what).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = what;
}
