//! Panics that are awaited: their text and the line that they blame.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Where the last panic of this thread was, and what it said; `None` where panics are not awaited.
    static LAST: RefCell<Option<(String, u32, String)>> = const { RefCell::new(None) };
    static AWAITED: RefCell<bool> = const { RefCell::new(false) };
}

/// Notes panics of threads that await one; leaves the others to the hook that was there.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !AWAITED.with(|awaited| *awaited.borrow()) {
                return before(info);
            }
            let payload = info.payload();
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
            let (file, line) = info
                .location()
                .map_or_else(Default::default, |at| (at.file().to_owned(), at.line()));
            LAST.with(|last| *last.borrow_mut() = Some((file, line, text.unwrap_or_default())));
        }));
    });
}

/// Runs `f`, which must panic on the line where this function is called, saying `expected`.
#[track_caller]
pub fn panics<R>(expected: &str, f: impl FnOnce() -> R) {
    let here = Location::caller();
    let Some((file, line, text)) = panic_of(f) else { panic!("no panic; expected: {expected}") };
    assert_eq!(text, expected);
    assert_eq!((file.as_str(), line), (here.file(), here.line()), "where it says: {text}");
}

/// What `f` says when it panics, wherever that is.
#[track_caller]
pub fn panic_text<R>(f: impl FnOnce() -> R) -> String {
    let Some((_, _, text)) = panic_of(f) else { panic!("no panic") };
    text
}

/// The line at which `f` panics.
#[track_caller]
pub fn panic_line<R>(f: impl FnOnce() -> R) -> u32 {
    let Some((_, line, _)) = panic_of(f) else { panic!("no panic") };
    line
}

/// The file, line and text of the panic of `f`.
#[track_caller]
fn panic_of<R>(f: impl FnOnce() -> R) -> Option<(String, u32, String)> {
    listen();
    AWAITED.with(|awaited| *awaited.borrow_mut() = true);
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(f())));
    AWAITED.with(|awaited| *awaited.borrow_mut() = false);
    outcome.err()?;
    let last = LAST.with(|last| last.borrow_mut().take());
    assert!(last.is_some(), "the hook was not called");
    last
}
