//! `wasi:config/store`: what the workload's owner set, and nothing else.

use std::collections::BTreeMap;

use wasmtime::component::{HasData, Linker};

use super::Grants;
use crate::host::Host;

// The interface as github.com/WebAssembly/wasi-config defines it.
wasmtime::component::bindgen!({
    inline: "
        package wasi:config@0.2.0-rc.1;
        interface store {
            variant error { upstream(string), io(string) }
            get: func(key: string) -> result<option<string>, error>;
            get-all: func() -> result<list<tuple<string, string>>, error>;
        }
        world imports { import store; }
    ",
});

use wasi::config::store;

#[derive(Default)]
pub struct Config(BTreeMap<String, String>);

impl Config {
    pub fn configure(grants: &Grants) -> Self {
        Self(grants.config.clone())
    }
}

struct Access;

impl HasData for Access {
    type Data<'a> = &'a Config;
}

impl store::Host for &Config {
    fn get(&mut self, key: String) -> Result<Option<String>, store::Error> {
        Ok(self.0.get(&key).cloned())
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, store::Error> {
        Ok(self.0.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    store::add_to_linker::<Host, Access>(linker, |host| &host.workload().capabilities.config)
}
