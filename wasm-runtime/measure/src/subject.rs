//! The engine with one component in it, as a node has it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use copepod_engine::{Component, Engine, EngineOptions, Grants, Limits, LogTarget, Reuse, WorkloadSpec};

use crate::Failure;

/// Where compiled files and logs go; removed when dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct Subject {
    pub engine: Engine,
    pub component: Component,
    folder: Folder,
}

impl Subject {
    /// Compiles and loads the file.
    pub fn open(file: &Path) -> Result<Self, Failure> {
        let folder = Folder(std::env::temp_dir().join(format!("copepod-measure-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0)?;
        let engine = Engine::new(&EngineOptions::default()).map_err(said)?;
        let compiled = folder.0.join("component.cwasm");
        engine.compile(&std::fs::read(file)?, &compiled).map_err(said)?;
        let component = engine.load(&compiled).map_err(said)?;
        Ok(Self { engine, component, folder })
    }

    /// A workload with the limits a pod has by default.
    pub fn spec(&self, id: &str) -> WorkloadSpec {
        let log = LogTarget { path: self.folder.0.join(format!("{id}.log")), max_bytes: 10 << 20 };
        WorkloadSpec { id: id.into(), grants: Grants::default(), limits: Limits::default(), reuse: Reuse::Request, warm: 0, log, access_log: false }
    }
}

/// The engine's error as text: its type is not one of `std`'s.
pub fn said(error: copepod_engine::EngineError) -> Failure {
    format!("{}: {}", error.code.as_str(), error.message).into()
}

/// Instances answer `reuses` requests each.
pub fn reuse(reuses: u32) -> Reuse {
    if reuses <= 1 { Reuse::Request } else { Reuse::Pooled { max: reuses, idle: Duration::from_secs(1), concurrent: 16 } }
}
