//! Directories of the node, each under a name of the guest's, read-only unless asked otherwise. wasmtime-wasi resolves paths below the opened
//! directory (openat2), so that no `..` and no link leads out of it.

use std::path::PathBuf;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{self, HostDescriptor};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::{Capability, Grants};
use crate::error::{EngineError, ErrorCode};
use crate::host::Host;
use crate::limits::Limit;

#[derive(Clone, Debug)]
pub struct Mount {
    /// A directory of the node.
    pub host: PathBuf,
    /// Where the guest finds it.
    pub guest: String,
    pub writable: bool,
}

pub struct Filesystem {
    mounts: Vec<Mount>,
}

impl Capability for Filesystem {
    fn configure(grants: &Grants) -> Result<Self, EngineError> {
        for (index, mount) in grants.mounts.iter().enumerate() {
            let bad = |why: &str| Err(EngineError::new(ErrorCode::BadGrant, format!("cannot mount {} at {}: {why}", mount.host.display(), mount.guest)));
            if !mount.host.is_dir() {
                return bad("it is no directory of this node");
            }
            if !mount.guest.starts_with('/') || mount.guest.split('/').any(|part| part == "..") {
                return bad("the guest's path must be absolute and without '..'");
            }
            if grants.mounts[..index].iter().any(|other| other.guest == mount.guest) {
                return bad("another directory is mounted there");
            }
        }
        Ok(Self { mounts: grants.mounts.clone() })
    }

    fn prepare(&self, context: &mut WasiCtxBuilder) {
        for mount in &self.mounts {
            let permissions = if mount.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            // A directory that went away since is not there for the guest either.
            let _ = context.preopened_dir(&mount.host, &mount.guest, permissions);
        }
    }
}

/// Opens a file unless the instance holds as many as it may.
pub fn link(linker: &mut Linker<Host>, concurrent: bool) -> wasmtime::Result<()> {
    type Open = (Resource<Descriptor>, types::PathFlags, String, types::OpenFlags, types::DescriptorFlags);
    linker.instance("wasi:filesystem/types@0.2.12")?.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: StoreContextMut<'_, Host>, (directory, path_flags, path, open_flags, flags): Open| {
            Box::new(async move {
                let host = store.data_mut();
                if !room_for_a_file(host) {
                    return Ok((Err(types::ErrorCode::Quota),));
                }
                match host.filesystem().open_at(directory, path_flags, path, open_flags, flags).await {
                    Ok(opened) => Ok((Ok(opened),)),
                    Err(error) => Ok((Err(error.downcast()?),)),
                }
            })
        },
    )?;
    if concurrent {
        link_concurrent(linker)?;
    }
    Ok(())
}

fn link_concurrent(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    use wasmtime::component::Accessor;
    use wasmtime_wasi::filesystem::WasiFilesystem;
    use wasmtime_wasi::p3::bindings::filesystem::types::{DescriptorFlags, ErrorCode, HostDescriptorWithStore, OpenFlags, PathFlags};
    type Open = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);
    linker.instance("wasi:filesystem/types@0.3.0")?.func_wrap_concurrent(
        "[method]descriptor.open-at",
        |accessor: &Accessor<Host>, (directory, path_flags, path, open_flags, flags): Open| {
            Box::pin(async move {
                if !accessor.with(|mut access| room_for_a_file(access.get())) {
                    return Ok((Err(ErrorCode::Quota),));
                }
                let files = accessor.with_getter::<WasiFilesystem>(Host::filesystem);
                match WasiFilesystem::open_at(&files, directory, path_flags, path, open_flags, flags).await {
                    Ok(opened) => Ok((Ok(opened),)),
                    Err(error) => Ok((Err(error.downcast()?),)),
                }
            })
        },
    )
}

fn room_for_a_file(host: &mut Host) -> bool {
    let open = host.table().iter_mut().filter(|entry| entry.is::<Descriptor>()).count();
    // Preopened directories come on top of what the guest opens itself.
    let room = open < host.workload().spec.limits.files + host.workload().spec.grants.mounts.len();
    if !room {
        host.workload().metrics.hit(Limit::Files);
    }
    room
}
