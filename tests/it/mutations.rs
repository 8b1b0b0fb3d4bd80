//! Mutations of small images: no panic, no hang, no memory without end, and never a walk without a
//! fault that lacks something.
//!
//! The heavy form runs each test again in a process of its own, in which memory is limited by the
//! system and a mutation that takes too long ends it:
//! `DRIFTCHECK_MUTATIONS=1000 cargo test --test it mutations`.

use super::hostile::{Bytes, Damage, Numbers, Walk, mutate, used_blocks};
use driftcheck::filesystem::Filesystem;
use driftcheck::model::Fault;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many mutations of each image; without it each test has a number of its own.
const COUNT: &str = "DRIFTCHECK_MUTATIONS";
/// Set in the process of the heavy form.
const INNER: &str = "DRIFTCHECK_MUTATIONS_INNER";
/// Of everything that is not a mapped file, the image itself and its copies included.
const MEMORY: u64 = 512 << 20;
/// Of the processor, for one mutation: other work of the machine does not count.
const SECONDS: u64 = 10;
/// Of the clock, for one that waits.
const PATIENCE: Duration = Duration::from_secs(300);

/// Mutations so far.
static DONE: AtomicU64 = AtomicU64::new(0);

/// The number that was asked for, or the test's own.
pub fn count(own: usize) -> usize {
    std::env::var(COUNT).ok().and_then(|count| count.parse().ok()).unwrap_or(own)
}

/// In the heavy form: runs the test of that name in a process of its own; nothing is left to be
/// done here where this is true.
pub fn are_done_elsewhere(test: &str) -> bool {
    if std::env::var_os(COUNT).is_none() {
        return false;
    }
    if std::env::var_os(INNER).is_some() {
        let hard = getrlimit(Resource::Data).maximum;
        setrlimit(Resource::Data, Rlimit { current: Some(MEMORY), maximum: hard }).unwrap();
        std::thread::spawn(watch);
        return false;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INNER, "1")
        .output()
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, log) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{log}", output.status);
    assert!(out.contains("1 passed"), "no test is called {test}");
    out.lines()
        .filter(|line| line.contains("skipped") || line.contains("mutations"))
        .for_each(|line| println!("{line}"));
    true
}

/// Ends the process where one mutation takes too long.
fn watch() {
    let mut begun = (u64::MAX, 0, Instant::now());
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let (number, used) = (DONE.load(Ordering::Relaxed), processor_seconds());
        if number != begun.0 {
            begun = (number, used, Instant::now());
        } else if number > 0 && (used - begun.1 > SECONDS || begun.2.elapsed() > PATIENCE) {
            eprintln!("mutation {number} takes more than {SECONDS} seconds");
            std::process::abort();
        }
    }
}

/// What the process has used, of all its threads: `utime` and `stime` of proc(5), in hundredths.
fn processor_seconds() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = behind_name.split(' ').skip(12).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() / 100
}

/// Says that the next mutation begins.
pub fn begin() {
    DONE.fetch_add(1, Ordering::Relaxed);
}

/// Which damage a reader must tell of, be it only that it saw nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// That a part is missing.
    Cuts,
    /// Any, since everything has a checksum.
    All,
}

/// Mutates an image again and again and reads all of it. `seal` makes checksums right after a
/// mutation of that number, and says whether it did.
pub fn check<F: Filesystem>(
    original: &[u8],
    own_count: usize,
    sees: Sees,
    open: impl Fn(Arc<Bytes>) -> Result<F, Fault>,
    seal: impl Fn(usize, &mut [u8]) -> bool,
) {
    let mut device = Arc::new(Bytes(original.to_vec()));
    let whole = Walk::all(&open(Arc::clone(&device)).unwrap());
    assert_eq!(whole.faults, 0);
    let used = used_blocks(original);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let count = count(own_count);
    let (mut refused, mut damaged) = (0, 0);
    for round in 0..count {
        begin();
        let mut bytes = Arc::into_inner(device).map_or_else(Vec::new, |device| device.0);
        bytes.clear();
        bytes.extend_from_slice(original);
        let damage = mutate(&mut bytes, &used, &mut numbers);
        let is_sealed = seal(round, &mut bytes);
        device = Arc::new(Bytes(bytes));
        let Ok(filesystem) = open(Arc::clone(&device)) else {
            refused += 1;
            continue;
        };
        let found = Walk::all(&filesystem);
        damaged += usize::from(found.faults > 0);
        let must_be_seen = damage == Damage::Cut || (sees == Sees::All && !is_sealed);
        if must_be_seen && found.faults == 0 {
            assert_eq!(found.seen(), whole.seen(), "mutation {round} ({damage:?}) is not seen");
        }
    }
    println!("{count} mutations: {refused} refused, {damaged} with parts that were not read");
}
