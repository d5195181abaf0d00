//! `wasi:logging`: lines with a level, in the workload's own log, under its own limit.

use std::sync::Arc;

use wasmtime::component::{HasData, Linker};

use crate::host::Host;
use crate::logs::WorkloadLog;

// The interface as github.com/WebAssembly/wasi-logging defines it.
wasmtime::component::bindgen!({
    inline: "
        package wasi:logging@0.1.0-draft;
        interface logging {
            enum level { trace, debug, info, warn, error, critical }
            log: func(level: level, context: string, message: string);
        }
        world imports { import logging; }
    ",
});

use wasi::logging::logging;

struct Access;

impl HasData for Access {
    type Data<'a> = Line<'a>;
}

pub struct Line<'a>(&'a Arc<WorkloadLog>);

impl logging::Host for Line<'_> {
    fn log(&mut self, level: logging::Level, context: String, message: String) {
        use logging::Level;
        let (stream, level) = match level {
            Level::Trace => ("stdout", "TRACE"),
            Level::Debug => ("stdout", "DEBUG"),
            Level::Info => ("stdout", "INFO"),
            Level::Warn => ("stderr", "WARN"),
            Level::Error => ("stderr", "ERROR"),
            Level::Critical => ("stderr", "CRITICAL"),
        };
        let context = if context.is_empty() { String::new() } else { format!(" [{}]", context.escape_debug()) };
        // One call, one line: a guest cannot make what looks like another's.
        self.0.line(stream, &format!("{level}{context} {}", message.replace('\n', "\\n")));
    }
}

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    logging::add_to_linker::<Host, Access>(linker, |host| Line(&host.workload().log))
}
