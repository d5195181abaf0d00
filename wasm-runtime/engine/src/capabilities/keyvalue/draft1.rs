//! `wasi:keyvalue@0.2.0-draft`, as github.com/WebAssembly/wasi-keyvalue defined it.

use wasmtime::component::{Linker, Resource};

use super::{Access, Failure, Keyvalue, Open, blocking};
use crate::host::Host;

wasmtime::component::bindgen!({
    inline: "
        package wasi:keyvalue@0.2.0-draft;
        interface store {
            variant error { no-such-store, access-denied, other(string) }
            record key-response { keys: list<string>, cursor: option<u64> }
            open: func(identifier: string) -> result<bucket, error>;
            resource bucket {
                get: func(key: string) -> result<option<list<u8>>, error>;
                set: func(key: string, value: list<u8>) -> result<_, error>;
                delete: func(key: string) -> result<_, error>;
                exists: func(key: string) -> result<bool, error>;
                list-keys: func(cursor: option<u64>) -> result<key-response, error>;
            }
        }
        interface atomics {
            use store.{bucket, error};
            increment: func(bucket: borrow<bucket>, key: string, delta: u64) -> result<u64, error>;
        }
        interface batch {
            use store.{bucket, error};
            get-many: func(bucket: borrow<bucket>, keys: list<string>) -> result<list<option<tuple<string, list<u8>>>>, error>;
            set-many: func(bucket: borrow<bucket>, key-values: list<tuple<string, list<u8>>>) -> result<_, error>;
            delete-many: func(bucket: borrow<bucket>, keys: list<string>) -> result<_, error>;
        }
        world imports { import store; import atomics; import batch; }
    ",
    imports: { default: async | trappable },
    with: { "wasi:keyvalue/store.bucket": super::Open },
});

use wasi::keyvalue::{atomics, batch, store};

impl From<Failure> for store::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(why) => Self::Other(why),
            Failure::Changed => Self::Other("the value changed".into()),
        }
    }
}

type Outcome<T> = wasmtime::Result<Result<T, store::Error>>;

impl store::Host for Keyvalue<'_> {
    async fn open(&mut self, identifier: String) -> Outcome<Resource<Open>> {
        Ok(Self::open(self, &identifier)?.ok_or(store::Error::NoSuchStore))
    }
}

impl store::HostBucket for Keyvalue<'_> {
    async fn get(&mut self, bucket: Resource<Open>, key: String) -> Outcome<Option<Vec<u8>>> {
        Ok(self.bucket(&bucket)?.store.get(&key).map_err(Into::into))
    }

    async fn set(&mut self, bucket: Resource<Open>, key: String, value: Vec<u8>) -> Outcome<()> {
        let Open { store, ttl } = self.bucket(&bucket)?;
        Ok(blocking(move || store.set_many(&[(key, value)], ttl)).await.map_err(Into::into))
    }

    async fn delete(&mut self, bucket: Resource<Open>, key: String) -> Outcome<()> {
        let Open { store, .. } = self.bucket(&bucket)?;
        Ok(blocking(move || store.delete_many(&[key])).await.map_err(Into::into))
    }

    async fn exists(&mut self, bucket: Resource<Open>, key: String) -> Outcome<bool> {
        Ok(self.bucket(&bucket)?.store.get(&key).map(|value| value.is_some()).map_err(Into::into))
    }

    /// The cursor counts keys, which is all that fits a number: a key that is deleted between two pages shifts the rest.
    async fn list_keys(&mut self, bucket: Resource<Open>, cursor: Option<u64>) -> Outcome<store::KeyResponse> {
        let Open { store, .. } = self.bucket(&bucket)?;
        let skipped = usize::try_from(cursor.unwrap_or(0)).unwrap_or(usize::MAX);
        let page = move || {
            let (mut after, mut seen) = (None::<String>, 0usize);
            loop {
                let (keys, more) = store.keys(after.as_deref())?;
                let end = seen.saturating_add(keys.len());
                if end > skipped || !more {
                    let keys: Vec<String> = keys.into_iter().skip(skipped - seen.min(skipped)).collect();
                    return Ok(store::KeyResponse { keys, cursor: more.then_some(end as u64) });
                }
                seen = end;
                after = keys.last().cloned();
            }
        };
        Ok(blocking(page).await.map_err(Into::into))
    }

    async fn drop(&mut self, bucket: Resource<Open>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Keyvalue<'_> {
    async fn increment(&mut self, bucket: Resource<Open>, key: String, delta: u64) -> Outcome<u64> {
        let Open { store, ttl } = self.bucket(&bucket)?;
        let sum = blocking(move || store.increment(&key, i128::from(delta), ttl)).await;
        Ok(sum.and_then(|sum| u64::try_from(sum).map_err(|_| Failure::Refused(format!("{sum} is below 0")))).map_err(Into::into))
    }
}

impl batch::Host for Keyvalue<'_> {
    async fn get_many(&mut self, bucket: Resource<Open>, keys: Vec<String>) -> Outcome<Vec<Option<(String, Vec<u8>)>>> {
        let values = self.bucket(&bucket)?.store.get_many(&keys);
        Ok(values.map(|values| keys.into_iter().zip(values).map(|(key, value)| value.map(|value| (key, value))).collect()).map_err(Into::into))
    }

    async fn set_many(&mut self, bucket: Resource<Open>, entries: Vec<(String, Vec<u8>)>) -> Outcome<()> {
        let Open { store, ttl } = self.bucket(&bucket)?;
        Ok(blocking(move || store.set_many(&entries, ttl)).await.map_err(Into::into))
    }

    async fn delete_many(&mut self, bucket: Resource<Open>, keys: Vec<String>) -> Outcome<()> {
        let Open { store, .. } = self.bucket(&bucket)?;
        Ok(blocking(move || store.delete_many(&keys)).await.map_err(Into::into))
    }
}

pub fn link(linker: &mut Linker<Host>, access: fn(&mut Host) -> Keyvalue<'_>) -> wasmtime::Result<()> {
    store::add_to_linker::<Host, Access>(linker, access)?;
    atomics::add_to_linker::<Host, Access>(linker, access)?;
    batch::add_to_linker::<Host, Access>(linker, access)
}
