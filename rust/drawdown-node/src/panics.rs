//! A panic is a fault of this software, and what it left half done must not be gone on with: by the thread
//! itself nor by those that would wait for it for ever.

use crate::error::Fatal;
use crate::os;
use std::panic;
use std::sync::Once;

static ONCE: Once = Once::new();

/// From now on a panic of any thread of this process ends it with 70, once it was told as usual. Nothing
/// acknowledged is lost by that. Callers whose language would take a panic for an error of a call need this.
pub fn end_process_on_panic() {
    ONCE.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            tell(what);
            os::exit_now(Fatal::PANIC)
        }));
    });
}
