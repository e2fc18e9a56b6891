//! libFuzzer in front of one target, named by `DRAWDOWN_FUZZ_TARGET`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

fn run() -> fn(&[u8]) -> bool {
    static RUN: OnceLock<fn(&[u8]) -> bool> = OnceLock::new();
    *RUN.get_or_init(|| {
        let name = std::env::var("DRAWDOWN_FUZZ_TARGET").expect("DRAWDOWN_FUZZ_TARGET names a target");
        drawdown_fuzz::target(&name).unwrap_or_else(|| panic!("there is no target {name}")).run
    })
}

fuzz_target!(|bytes: &[u8]| {
    run()(bytes);
});
