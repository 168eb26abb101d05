//! The switch, compiled into a copy of each crate: which mutant lives, by `GRADUS_MUTANT`. Without it none does, and each
//! group of mutants that is reached is noted, once, in the file `GRADUS_MUTANTS_SEEN`, if that is set.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

const NONE: u32 = u32::MAX;
const SEEING: u32 = u32::MAX - 1;
const UNREAD: u32 = u32::MAX - 2;

static ALIVE: AtomicU32 = AtomicU32::new(UNREAD);
static SEEN: [AtomicBool; 1 << 16] = [const { AtomicBool::new(false) }; 1 << 16];

/// The mutant that lives.
#[inline]
pub fn at(group: u32) -> u32 {
    match ALIVE.load(Relaxed) {
        UNREAD => read(group),
        SEEING => see(group),
        alive => alive,
    }
}

#[cold]
fn read(group: u32) -> u32 {
    let seeing = std::env::var_os("GRADUS_MUTANTS_SEEN").is_some();
    let alive = match std::env::var("GRADUS_MUTANT") {
        Ok(alive) => alive.parse().expect("GRADUS_MUTANT is a number"),
        Err(_) if seeing => SEEING,
        Err(_) => NONE,
    };
    ALIVE.store(alive, Relaxed);
    at(group)
}

#[cold]
fn see(group: u32) -> u32 {
    use std::io::Write;
    let seen = &SEEN[group as usize];
    if !seen.load(Relaxed) && !seen.swap(true, Relaxed) {
        let path = std::env::var_os("GRADUS_MUTANTS_SEEN").expect("it was there");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.expect("a file for what is seen").write_all(format!("{group}\n").as_bytes()).expect("written");
    }
    NONE
}
