//! Folders that no engine has open: verify, salvage, and rebuild from a remote snapshot.

use crate::errors;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

#[pyfunction]
pub fn verify_folder<'py>(py: Python<'py>, path: &str) -> PyResult<Bound<'py, PyBytes>> {
    let report = py.detach(|| drawdown_node::verify_folder(path)).map_err(errors::from_node)?;
    Ok(PyBytes::new(py, report.to_string().as_bytes()))
}

#[pyfunction]
#[pyo3(signature = (source, target = None))]
pub fn salvage_folder<'py>(py: Python<'py>, source: &str, target: Option<&str>) -> PyResult<Bound<'py, PyBytes>> {
    let report =
        py.detach(|| drawdown_node::salvage_folder(source, target.map(Into::into))).map_err(errors::from_node)?;
    Ok(PyBytes::new(py, report.to_string().as_bytes()))
}

#[pyfunction]
pub fn restore_begin(path: &str, manifest: &[u8]) -> PyResult<Restore> {
    let restore = drawdown_node::Restore::begin(path, manifest).map_err(errors::from_node)?;
    Ok(Restore(Mutex::new(Some(restore))))
}

/// A folder being rebuilt.
#[pyclass(frozen, module = "drawdown._engine")]
pub struct Restore(Mutex<Option<drawdown_node::Restore>>);

#[pymethods]
impl Restore {
    fn keys(&self, run: &[u8]) -> PyResult<()> {
        self.step(|restore| restore.keys(run))
    }

    fn image(&self, image: &[u8]) -> PyResult<()> {
        self.step(|restore| restore.image(image))
    }

    fn finish<'py>(&self, py: Python<'py>, global_image: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let restore = self.0.lock().take().ok_or_else(|| errors::invalid("this restore is finished"))?;
        let report = py.detach(|| restore.finish(global_image)).map_err(errors::from_node)?;
        Ok(PyBytes::new(py, report.to_string().as_bytes()))
    }
}

impl Restore {
    fn step(
        &self,
        step: impl FnOnce(&mut drawdown_node::Restore) -> Result<(), drawdown_node::NodeError>,
    ) -> PyResult<()> {
        let mut restore = self.0.lock();
        let restore = restore.as_mut().ok_or_else(|| errors::invalid("this restore is finished"))?;
        step(restore).map_err(errors::from_node)
    }
}
