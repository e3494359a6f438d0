//! The last line: a panic inside a library becomes an error of the request that caused it.

use std::{
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs `work`, and gives the panic's message should it panic.
///
/// # Errors
/// The message of the panic.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "no reason given".to_owned())
    })
}

/// Has panics told in one line, without a trace: the request that caused one says the rest.
pub fn tell_panics_in_a_line() {
    std::panic::set_hook(Box::new(|panic| {
        let _ = writeln!(std::io::stderr(), "broke off: {panic}");
    }));
}
