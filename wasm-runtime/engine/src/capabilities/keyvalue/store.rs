//! A bucket's data: one LMDB environment in a directory of the node, shared by all that were granted it. A write returns when it is
//! synced to disk. An entry may expire: then it is gone for every reader at once, and removed by a later write.

use std::collections::HashMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use heed::types::Bytes;
use heed::{Database, Env, EnvOpenOptions, RoTxn, RwTxn, WithoutTls};

use crate::error::{EngineError, ErrorCode};

/// LMDB's longest key.
pub const MAX_KEY_BYTES: usize = 511;
pub const MAX_VALUE_BYTES: usize = 1 << 20;
/// Keys in one page of a listing.
pub const PAGE_KEYS: usize = 1000;
/// Expired entries a write takes along at most, so that no write waits for a pile of them.
const SWEEP: usize = 16;
/// Before each value: when it expires, milliseconds since 1970, 0 for never.
const HEAD: usize = 8;

/// Environments by directory: LMDB must not be opened twice in a process.
#[derive(Default)]
pub struct Stores(Mutex<HashMap<PathBuf, Weak<Store>>>);

pub struct Store {
    env: Env<WithoutTls>,
    values: Database<Bytes, Bytes>,
    /// Expiry (big-endian milliseconds) and key → nothing, oldest first.
    expiries: Database<Bytes, Bytes>,
}

#[derive(Debug)]
pub enum Failure {
    Refused(String),
    /// A swap found another value than the one it was made for.
    Changed,
}

impl From<heed::Error> for Failure {
    fn from(error: heed::Error) -> Self {
        Self::Refused(match error {
            heed::Error::Mdb(heed::MdbError::MapFull) => "the bucket is full: delete something, or ask for more space".into(),
            error => error.to_string(),
        })
    }
}

impl Stores {
    /// Errors: Io.
    pub fn open(&self, folder: &Path, max_bytes: u64) -> Result<Arc<Store>, EngineError> {
        let failed = |error: &dyn std::fmt::Display| EngineError::new(ErrorCode::Io, format!("key-value store {}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let path = folder.canonicalize().map_err(|error| failed(&error))?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = known.get(&path).and_then(Weak::upgrade) {
            return Ok(store);
        }
        const SYSTEM_PAGE: u64 = 4096;
        let size = usize::try_from(max_bytes.next_multiple_of(SYSTEM_PAGE)).map_err(|error| failed(&error))?;
        // SAFETY: the directory is the node's own, and this map is why no second environment is opened on it in this process.
        let env = unsafe { EnvOpenOptions::new().read_txn_without_tls().map_size(size).max_dbs(2).max_readers(512).open(&path) }.map_err(|error| failed(&error))?;
        let mut txn = env.write_txn().map_err(|error| failed(&error))?;
        let values = env.create_database(&mut txn, Some("values")).map_err(|error| failed(&error))?;
        let expiries = env.create_database(&mut txn, Some("expiries")).map_err(|error| failed(&error))?;
        txn.commit().map_err(|error| failed(&error))?;
        let store = Arc::new(Store { env, values, expiries });
        known.retain(|_, store| store.strong_count() > 0);
        known.insert(path, Arc::downgrade(&store));
        Ok(store)
    }
}

impl Store {
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let txn = self.env.read_txn()?;
        self.live(&txn, key)
    }

    pub fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let txn = self.env.read_txn()?;
        keys.iter().map(|key| self.live(&txn, key)).collect()
    }

    /// The keys after `after`, one page of them, and whether there are more.
    pub fn keys(&self, after: Option<&str>) -> Result<(Vec<String>, bool), Failure> {
        let txn = self.env.read_txn()?;
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_bytes()));
        let now = now_millis();
        let mut keys = Vec::new();
        for entry in self.values.range(&txn, &(from, Bound::<&[u8]>::Unbounded))? {
            let (key, value) = entry?;
            if expired(value, now) {
                continue;
            }
            if keys.len() == PAGE_KEYS {
                return Ok((keys, true));
            }
            keys.push(String::from_utf8_lossy(key).into_owned());
        }
        Ok((keys, false))
    }

    /// All of them or none.
    pub fn set_many(&self, entries: &[(String, Vec<u8>)], ttl: Option<Duration>) -> Result<(), Failure> {
        self.write(|txn| entries.iter().try_for_each(|(key, value)| self.put(txn, key, value, ttl)))
    }

    pub fn delete_many(&self, keys: &[String]) -> Result<(), Failure> {
        self.write(|txn| keys.iter().try_for_each(|key| self.remove(txn, key)))
    }

    /// Adds to a number kept as decimal text; an absent one is 0.
    pub fn increment(&self, key: &str, delta: i128, ttl: Option<Duration>) -> Result<i128, Failure> {
        self.write(|txn| {
            let before = match self.live(txn, key)? {
                None => 0,
                Some(text) => std::str::from_utf8(&text).ok().and_then(|text| text.parse::<i128>().ok()).ok_or_else(|| Failure::Refused(format!("the value of '{key}' is no number")))?,
            };
            let after = before + delta;
            if !(i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&after) {
                return Err(Failure::Refused(format!("{before} and {delta} are more than a number holds")));
            }
            self.put(txn, key, after.to_string().as_bytes(), ttl)?;
            Ok(after)
        })
    }

    /// Sets a value if it still is what the caller saw. Errors: Changed.
    pub fn swap(&self, key: &str, seen: Option<&[u8]>, value: &[u8], ttl: Option<Duration>) -> Result<(), Failure> {
        self.write(|txn| {
            if self.live(txn, key)?.as_deref() != seen {
                return Err(Failure::Changed);
            }
            self.put(txn, key, value, ttl)
        })
    }

    fn live(&self, txn: &RoTxn<'_, WithoutTls>, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        check_key(key)?;
        let value = self.values.get(txn, key.as_bytes())?;
        Ok(value.filter(|value| !expired(value, now_millis())).map(|value| value[HEAD.min(value.len())..].to_vec()))
    }

    fn write<T>(&self, work: impl FnOnce(&mut RwTxn<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut txn = self.env.write_txn()?;
        self.sweep(&mut txn)?;
        let result = work(&mut txn)?;
        txn.commit()?;
        Ok(result)
    }

    fn put(&self, txn: &mut RwTxn<'_>, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), Failure> {
        check_key(key)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(Failure::Refused(format!("a value of {} bytes is longer than {MAX_VALUE_BYTES}", value.len())));
        }
        self.forget_expiry(txn, key)?;
        let expiry = ttl.map_or(0, |ttl| now_millis() + u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX / 2).max(1));
        let mut record = expiry.to_le_bytes().to_vec();
        record.extend_from_slice(value);
        self.values.put(txn, key.as_bytes(), &record)?;
        if let Some(entry) = expiry_entry(expiry, key.as_bytes()) {
            self.expiries.put(txn, &entry, &[])?;
        }
        Ok(())
    }

    fn remove(&self, txn: &mut RwTxn<'_>, key: &str) -> Result<(), Failure> {
        check_key(key)?;
        self.forget_expiry(txn, key)?;
        self.values.delete(txn, key.as_bytes())?;
        Ok(())
    }

    fn forget_expiry(&self, txn: &mut RwTxn<'_>, key: &str) -> Result<(), Failure> {
        let before = self.values.get(txn, key.as_bytes())?.map_or(0, expiry_of);
        if let Some(entry) = expiry_entry(before, key.as_bytes()) {
            self.expiries.delete(txn, &entry)?;
        }
        Ok(())
    }

    fn sweep(&self, txn: &mut RwTxn<'_>) -> Result<(), Failure> {
        let end = now_millis().to_be_bytes();
        let due: Vec<Vec<u8>> = self.expiries.range(txn, &(Bound::<&[u8]>::Unbounded, Bound::Excluded(&end[..])))?.take(SWEEP).map(|entry| entry.map(|(entry, _)| entry.to_vec())).collect::<Result<_, _>>()?;
        for entry in due {
            self.values.delete(txn, &entry[HEAD..])?;
            self.expiries.delete(txn, &entry)?;
        }
        Ok(())
    }
}

fn check_key(key: &str) -> Result<(), Failure> {
    if (1..=MAX_KEY_BYTES - HEAD).contains(&key.len()) {
        return Ok(());
    }
    Err(Failure::Refused(format!("a key has 1 to {} bytes, and this one has {}", MAX_KEY_BYTES - HEAD, key.len())))
}

fn expiry_of(record: &[u8]) -> u64 {
    record.first_chunk::<HEAD>().map_or(0, |head| u64::from_le_bytes(*head))
}

fn expired(record: &[u8], now: u64) -> bool {
    let expiry = expiry_of(record);
    expiry != 0 && expiry <= now
}

fn expiry_entry(expiry: u64, key: &[u8]) -> Option<Vec<u8>> {
    (expiry != 0).then(|| [&expiry.to_be_bytes()[..], key].concat())
}

fn now_millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("copepod-keyvalue-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn text(value: Option<Vec<u8>>) -> Option<String> {
        value.map(|value| String::from_utf8(value).expect("text"))
    }

    #[test]
    fn what_is_set_is_there_after_opening_again() {
        let folder = Folder::new("again");
        let stores = Stores::default();
        let store = stores.open(&folder.0, 1 << 20).expect("a store");
        store.set_many(&[("a".into(), b"1".to_vec()), ("b".into(), b"2".to_vec())], None).expect("set");
        drop(store);
        let store = stores.open(&folder.0, 1 << 20).expect("a store");
        assert_eq!(text(store.get("a").expect("get")), Some("1".into()));
        store.delete_many(&["a".into()]).expect("delete");
        assert_eq!(store.keys(None).expect("keys"), (vec!["b".to_owned()], false));
    }

    #[test]
    fn a_swap_succeeds_once_for_what_was_seen() {
        let folder = Folder::new("swap");
        let store = Stores::default().open(&folder.0, 1 << 20).expect("a store");
        store.swap("k", None, b"one", None).expect("first");
        assert!(matches!(store.swap("k", None, b"two", None), Err(Failure::Changed)));
        store.swap("k", Some(b"one"), b"two", None).expect("second");
        assert_eq!(text(store.get("k").expect("get")), Some("two".into()));
    }

    #[test]
    fn increments_by_many_threads_all_count() {
        let folder = Folder::new("increment");
        let store = Stores::default().open(&folder.0, 1 << 20).expect("a store");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        store.increment("n", 1, None).expect("increment");
                    }
                });
            }
        });
        assert_eq!(text(store.get("n").expect("get")), Some("100".into()));
        store.set_many(&[("word".into(), b"x".to_vec())], None).expect("set");
        assert!(store.increment("word", 1, None).is_err());
    }

    #[test]
    fn an_expired_entry_is_gone_and_its_space_is_taken_back() {
        let folder = Folder::new("expiry");
        let store = Stores::default().open(&folder.0, 1 << 20).expect("a store");
        store.set_many(&[("short".into(), b"x".to_vec())], Some(Duration::from_millis(1))).expect("set");
        store.set_many(&[("long".into(), b"x".to_vec())], Some(Duration::from_secs(3600))).expect("set");
        while store.get("short").expect("get").is_some() {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(2));
        store.set_many(&[("other".into(), b"x".to_vec())], None).expect("set");
        let txn = store.env.read_txn().expect("a transaction");
        assert_eq!(store.values.len(&txn).expect("length"), 2);
        assert_eq!(store.expiries.len(&txn).expect("length"), 1);
    }

    #[test]
    fn a_full_bucket_says_so_and_loses_nothing() {
        let folder = Folder::new("full");
        let store = Stores::default().open(&folder.0, 256 << 10).expect("a store");
        store.set_many(&[("kept".into(), b"x".to_vec())], None).expect("set");
        let Err(Failure::Refused(why)) = store.set_many(&[("big".into(), vec![0; 512 << 10])], None) else { panic!("it fits") };
        assert!(why.contains("full"), "{why}");
        assert_eq!(text(store.get("kept").expect("get")), Some("x".into()));
        assert!(store.get("").is_err() && store.get(&"k".repeat(600)).is_err());
    }
}
