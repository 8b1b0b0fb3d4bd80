//! How fast driftcheck is against what the disk and the processor allow: medians of runs that are
//! interleaved with the floor, as ratios.
//!
//! `cargo bench --bench floors -- [--runs N] [TREE]...` (default: 7 runs of /usr). Everything runs
//! in a warm page cache: each command once before it counts. Where `AIDE=1` is set, Debian's
//! `aide --init` is measured beside, once.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_driftcheck");

/// One command that is measured, with what is done before each of its runs.
struct Contender {
    name: &'static str,
    command: String,
    prepare: Option<Box<dyn Fn()>>,
}

fn main() {
    let mut runs = 7;
    let mut trees = Vec::new();
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        if argument == "--runs" {
            runs = arguments.next().and_then(|count| count.parse().ok()).expect("a number of runs");
        } else {
            trees.push(PathBuf::from(argument));
        }
    }
    if trees.is_empty() {
        trees.push(PathBuf::from("/usr"));
    }
    for tree in trees {
        measure(&tree, runs);
    }
}

fn measure(tree: &Path, runs: usize) {
    let work = tempfile::tempdir().expect("a folder for the stores");
    let at = |name: &str| work.path().join(name).display().to_string();
    let (fresh, kept) = (at("fresh.db"), at("kept.db"));
    let word = shell_word(tree);
    let scan = |store: &str| {
        format!("{BINARY} scan -q --allow-gaps --name tree --store {store} dir:{word} >/dev/null")
    };
    run(&scan(&kept));
    run(&scan(&kept));
    let removed = fresh.clone();
    let prepare = move || {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{removed}{suffix}"));
        }
    };
    let contender = |name, command| Contender { name, command, prepare: None };
    let contenders = [
        contender(
            "read floor (find | xargs -P2 cat)",
            format!("find {word} -type f -print0 | xargs -0 -P2 -n200 cat >/dev/null"),
        ),
        Contender {
            prepare: Some(Box::new(prepare)),
            ..contender("full scan into a new store", scan(&fresh))
        },
        contender(
            "stat floor (find -printf)",
            format!("find {word} -printf '%p %s %m %U %G %T@\\n' >/dev/null"),
        ),
        contender("rescan, nothing changed", scan(&kept)),
        contender(
            "compare of two equal manifests",
            format!("{BINARY} compare -q --allow-gaps --store {kept} tree@2 tree@1 >/dev/null"),
        ),
    ];
    let times = interleaved(&contenders, runs);
    println!("{} ({runs} runs, medians)", tree.display());
    for (contender, time) in contenders.iter().zip(&times) {
        println!("  {:<36} {:>9.1} ms", contender.name, milliseconds(*time));
    }
    let ratio = |of: usize, to: usize| milliseconds(times[of]) / milliseconds(times[to]);
    println!("  full scan / read floor               {:>9.2}", ratio(1, 0));
    println!("  rescan / stat floor                  {:>9.2}", ratio(3, 2));
    println!("  peak memory of a full scan           {:>9} KiB", peak_memory(&scan(&at("m.db"))));
    if std::env::var_os("AIDE").is_some() {
        let time = aide(tree, work.path());
        println!("  aide --init                          {:>9.1} ms", milliseconds(time));
        println!(
            "  aide / full scan                     {:>9.1}",
            milliseconds(time) / milliseconds(times[1])
        );
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Runs each command once unmeasured, then all of them in turn, and gives the medians.
fn interleaved(contenders: &[Contender], runs: usize) -> Vec<Duration> {
    let mut times = vec![Vec::new(); contenders.len()];
    for round in 0..=runs {
        for (contender, times) in contenders.iter().zip(&mut times) {
            if let Some(prepare) = &contender.prepare {
                prepare();
            }
            let start = Instant::now();
            run(&contender.command);
            if round > 0 {
                times.push(start.elapsed());
            }
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    times.into_iter().map(median).collect()
}

fn run(command: &str) {
    let status = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "failed: {command}");
}

/// Peak resident memory in KiB, as GNU time reports it.
fn peak_memory(command: &str) -> String {
    let output = Command::new("time").args(["-f", "%M", "sh", "-c", command]).output();
    let last = |text: String| text.lines().last().unwrap_or("?").to_owned();
    output.map_or_else(
        |_| "? (GNU time is not installed)".to_owned(),
        |output| last(String::from_utf8_lossy(&output.stderr).into_owned()),
    )
}

/// AIDE with its default workers and the attributes that our manifests hold.
fn aide(tree: &Path, work: &Path) -> Duration {
    let config = format!(
        "database_out=file:{}\n{} p+i+n+u+g+s+m+c+xattrs+acl+sha256\n",
        work.join("aide.db").display(),
        tree.display()
    );
    let path = work.join("aide.conf");
    fs::write(&path, config).expect("a configuration");
    let start = Instant::now();
    run(&format!("aide --init -c {} >/dev/null", shell_word(&path)));
    start.elapsed()
}

fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}
