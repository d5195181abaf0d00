//! What this process weighs. Page tables count too: a pool's slots lie far apart, and each has some of its own.

use std::time::Duration;

use crate::Failure;

#[derive(Clone, Copy)]
pub struct Weight {
    /// Proportional set size, bytes.
    pub resident: f64,
    /// Of the process's page tables, bytes; the kernel charges them to its memory cgroup.
    pub page_tables: f64,
}

impl Weight {
    pub fn now() -> Result<Self, Failure> {
        let resident = field("/proc/self/smaps_rollup", "Pss:")?;
        Ok(Self { resident, page_tables: field("/proc/self/status", "VmPTE:")? })
    }

    /// Waits until it changes no more.
    pub fn settled() -> Result<Self, Failure> {
        let mut before = Self::now()?;
        loop {
            std::thread::sleep(Duration::from_millis(300));
            let now = Self::now()?;
            if (now.resident - before.resident).abs() < 64e3 {
                return Ok(now);
            }
            before = now;
        }
    }
}

pub fn machine_bytes() -> Result<usize, Failure> {
    Ok(field("/proc/meminfo", "MemTotal:")? as usize)
}

/// A number of kilobytes, as bytes.
fn field(file: &str, name: &str) -> Result<f64, Failure> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find(|line| line.starts_with(name)).ok_or_else(|| format!("{file} has no {name}"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap_or_default().parse()?;
    Ok(kilobytes * 1024.0)
}
