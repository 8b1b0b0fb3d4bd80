//! What the processor and the C library can do beyond safe Rust: the one place with unsafe code.
//!
//! **Allocator.** A scan has many threads, most of them waiting for a disk, and many buffers that are
//! large for a moment. By default glibc gives each thread an arena of its own, and takes each large
//! buffer that is freed for a sign that the next ones belong into arenas too, from where they never
//! return to the system (`mallopt(3)`, "dynamic mmap threshold"). Both cost memory and bring nothing
//! here: of a tree of 157,577 entries the peak was 78 MB without this and is 50 MB with it, in the
//! same time, while at most 35 MB were in use. Other allocators were measured too: mimalloc took
//! 97 MB, jemalloc 88 MB.
//!
//! **Vectors.** What is compiled for every x86-64 may use vectors of 128 bits only. MD5 with those of
//! 256 takes two fifths of the time (see [`md5`]), which is the difference between a first scan that
//! verifies and one that does not.

pub(crate) mod md5;

use md5::{LANES, Parts, State};

/// Buffers from this size on are mapped, and go back to the system when they are freed: what is the
/// default until the first one is freed.
#[cfg(target_env = "gnu")]
const MAPPED_FROM: i32 = 128 * 1024;

/// Arenas for as many threads as can be at work at once, and some for those that just woke up.
#[cfg(target_env = "gnu")]
const MIN_ARENAS: i32 = 8;

/// Sets how the C library's allocator behaves: to be called before there are threads. Where it
/// fails, nothing but memory is lost.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the C library's own setting has no safe wrapper")]
pub(crate) fn tune_allocator() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let arenas = i32::try_from(cores).unwrap_or(i32::MAX).max(MIN_ARENAS);
    // SAFETY: `mallopt` takes two integers by value, knows all that it accepts, and touches only
    // the allocator's own state; no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM);
        libc::mallopt(libc::M_ARENA_MAX, arenas);
    }
}

/// Other C libraries do neither.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn tune_allocator() {}

/// Takes in blocks with vectors, where the processor has them; says whether it did.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "what a processor can do is known when it runs only")]
fn md5_with_vectors(states: &mut [State; LANES], parts: &Parts<'_>) -> bool {
    let has_vectors = std::arch::is_x86_feature_detected!("avx2");
    if has_vectors {
        // SAFETY: the function is unsafe to call for nothing but its need of AVX2, which is there.
        unsafe { md5::vectors::update(states, parts) };
    }
    has_vectors
}

/// Other processors have none that we know to use.
#[cfg(not(target_arch = "x86_64"))]
fn md5_with_vectors(_: &mut [State; LANES], _: &Parts<'_>) -> bool {
    false
}
