//! The extension `drawdown._engine`: extract, detach, call, convert. No rules.
//!
//! Reference of every name: `python/drawdown/_engine.pyi`.

mod allocator;
mod convert;
mod encoder;
mod engine;
mod errors;
mod folder;
mod line_pool;
mod table_pool;
mod values;

use pyo3::prelude::*;

#[cfg(not(feature = "mimalloc"))]
#[global_allocator]
static ALLOCATOR: allocator::HugePageAllocator = allocator::HugePageAllocator;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[pymodule]
mod _engine {
    #[pymodule_export]
    use crate::encoder::{BatchEncoder, LoadGenerator, decode_ack};
    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::errors::{
        CorruptDataError, EngineError, EngineHaltedError, FolderLockedError, InvalidRequestError, OverloadedError,
        ReadOnlyError, UnavailableError,
    };
    #[pymodule_export]
    use crate::folder::{Restore, restore_begin, salvage_folder, verify_folder};
    #[pymodule_export]
    use crate::values::{Check, Recorded};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    use pyo3::prelude::*;
    use std::collections::BTreeMap;

    /// Python would take a panic for an exception, of a kind that `except Exception` does not see.
    #[pymodule_init]
    #[expect(clippy::unnecessary_wraps, reason = "the form that pyo3 asks for")]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        drawdown_node::end_process_on_panic();
        Ok(())
    }

    #[pyfunction]
    fn status_names() -> Vec<&'static str> {
        drawdown_core::Status::ALL.iter().map(|status| status.name()).collect()
    }

    #[pyfunction]
    fn build_info() -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("version", env!("CARGO_PKG_VERSION").to_string()),
            ("profile", if cfg!(debug_assertions) { "debug" } else { "release" }.to_string()),
            ("journal_format", drawdown_core::JOURNAL_FORMAT.to_string()),
            ("image_format", drawdown_core::IMAGE_FORMAT.to_string()),
            ("planted_bugs", [drawdown_core::planted::PLANTED, drawdown_node::planted::PLANTED].concat().join(",")),
        ])
    }
}
