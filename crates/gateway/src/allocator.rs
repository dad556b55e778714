//! Settings of glibc's allocator. Knows nothing else.
//!
//! librdkafka unpacks a batch into one buffer, of up to `receive.message.max.bytes` and more. By default
//! glibc learns from the first such buffer to serve the next ones from its heaps, of which each thread may
//! have one, and a heap keeps what it once had. So one batch left a process with a multiple of its size.

/// Buffers from this size on come from the system and go back to it when they are freed.
#[cfg(target_env = "gnu")]
const LARGE_BYTES: libc::c_int = 4 << 20;
/// The most bytes that a heap may keep at its top.
#[cfg(target_env = "gnu")]
const KEPT_BYTES: libc::c_int = 8 << 20;

/// Has large buffers returned to the system when they are freed. To be called before threads start.
/// False where the allocator does not take it; nothing depends on that but memory.
#[cfg(target_env = "gnu")]
#[expect(
    unsafe_code,
    reason = "the only way to set it from within; measured in docs/adr/0017-unreadable-batches.md"
)]
pub(crate) fn return_large_buffers() -> bool {
    // SAFETY: mallopt(3) takes any two integers, and no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES) == 1
            && libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES) == 1
    }
}

/// Other allocators are left as they are.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn return_large_buffers() -> bool {
    false
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn the_allocator_takes_the_settings() {
        assert!(return_large_buffers());
    }
}
