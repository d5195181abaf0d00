//! `wasi:keyvalue@0.2.0-draft2`, as github.com/WebAssembly/wasi-keyvalue defines it: cursors are text, and there is compare-and-swap.

use wasmtime::component::{Linker, Resource};

use super::{Access, Failure, Keyvalue, Open, Seen, blocking};
use crate::host::Host;

wasmtime::component::bindgen!({
    inline: "
        package wasi:keyvalue@0.2.0-draft2;
        interface store {
            variant error { no-such-store, access-denied, other(string) }
            record key-response { keys: list<string>, cursor: option<string> }
            open: func(identifier: string) -> result<bucket, error>;
            resource bucket {
                get: func(key: string) -> result<option<list<u8>>, error>;
                set: func(key: string, value: list<u8>) -> result<_, error>;
                delete: func(key: string) -> result<_, error>;
                exists: func(key: string) -> result<bool, error>;
                list-keys: func(cursor: option<string>) -> result<key-response, error>;
            }
        }
        interface atomics {
            use store.{bucket, error};
            variant cas-error { store-error(error), cas-failed(cas) }
            resource cas {
                new: static func(bucket: borrow<bucket>, key: string) -> result<cas, error>;
                current: func() -> result<option<list<u8>>, error>;
            }
            increment: func(bucket: borrow<bucket>, key: string, delta: s64) -> result<s64, error>;
            swap: func(cas: cas, value: list<u8>) -> result<_, cas-error>;
        }
        interface batch {
            use store.{bucket, error};
            get-many: func(bucket: borrow<bucket>, keys: list<string>) -> result<list<tuple<string, option<list<u8>>>>, error>;
            set-many: func(bucket: borrow<bucket>, key-values: list<tuple<string, list<u8>>>) -> result<_, error>;
            delete-many: func(bucket: borrow<bucket>, keys: list<string>) -> result<_, error>;
        }
        world imports { import store; import atomics; import batch; }
    ",
    imports: { default: async | trappable },
    with: { "wasi:keyvalue/store.bucket": super::Open, "wasi:keyvalue/atomics.cas": super::Seen },
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

    async fn list_keys(&mut self, bucket: Resource<Open>, cursor: Option<String>) -> Outcome<store::KeyResponse> {
        let Open { store, .. } = self.bucket(&bucket)?;
        let page = store.keys(cursor.as_deref());
        Ok(page.map(|(keys, more)| store::KeyResponse { cursor: keys.last().filter(|_| more).cloned(), keys }).map_err(Into::into))
    }

    async fn drop(&mut self, bucket: Resource<Open>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Keyvalue<'_> {
    async fn increment(&mut self, bucket: Resource<Open>, key: String, delta: i64) -> Outcome<i64> {
        let Open { store, ttl } = self.bucket(&bucket)?;
        let sum = blocking(move || store.increment(&key, i128::from(delta), ttl)).await;
        Ok(sum.and_then(|sum| i64::try_from(sum).map_err(|_| Failure::Refused(format!("{sum} is more than a number holds")))).map_err(Into::into))
    }

    async fn swap(&mut self, cas: Resource<Seen>, value: Vec<u8>) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let Seen { bucket, key, value: seen } = self.table.delete(cas)?;
        let (open, name) = (bucket.clone(), key.clone());
        match blocking(move || open.store.swap(&name, seen.as_deref(), &value, open.ttl)).await {
            Ok(()) => Ok(Ok(())),
            Err(Failure::Changed) => match bucket.store.get(&key) {
                Ok(value) => Ok(Err(atomics::CasError::CasFailed(self.table.push(Seen { bucket, key, value })?))),
                Err(failure) => Ok(Err(atomics::CasError::StoreError(failure.into()))),
            },
            Err(failure) => Ok(Err(atomics::CasError::StoreError(failure.into()))),
        }
    }
}

impl atomics::HostCas for Keyvalue<'_> {
    async fn new(&mut self, bucket: Resource<Open>, key: String) -> Outcome<Resource<Seen>> {
        let bucket = self.bucket(&bucket)?;
        match bucket.store.get(&key) {
            Ok(value) => Ok(Ok(self.table.push(Seen { bucket, key, value })?)),
            Err(failure) => Ok(Err(failure.into())),
        }
    }

    async fn current(&mut self, cas: Resource<Seen>) -> Outcome<Option<Vec<u8>>> {
        Ok(Ok(self.table.get(&cas)?.value.clone()))
    }

    async fn drop(&mut self, cas: Resource<Seen>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}

impl batch::Host for Keyvalue<'_> {
    async fn get_many(&mut self, bucket: Resource<Open>, keys: Vec<String>) -> Outcome<Vec<(String, Option<Vec<u8>>)>> {
        let values = self.bucket(&bucket)?.store.get_many(&keys);
        Ok(values.map(|values| keys.into_iter().zip(values).collect()).map_err(Into::into))
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
