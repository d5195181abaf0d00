//! Damaged components and compiled files, by the thousand: whatever the bytes are, the answer is a value, and nothing of them runs.

use copepod_engine::{Engine, EngineOptions, ErrorCode, adapt, inspect};

/// `(module (memory (export "memory") 1) (func (export "_start")))`, as bytes.
const COMMAND: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\x07\x13\x02\x06memory\x02\0\x06_start\0\0\x0a\x04\x01\x02\0\x0b";
const ROUNDS: u64 = 1000;

/// Marsaglia's xorshift64: the same damage at each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap_or(0)
    }
}

fn damage(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(damaged.len());
        match random.below(4) {
            0 => damaged.truncate(at.max(8)),
            1 => damaged[at] ^= 1 << random.below(8),
            2 => damaged[at] = u8::MAX,
            _ => {
                let slice = damaged[at..(at + random.below(64)).min(damaged.len())].to_vec();
                let place = random.below(damaged.len());
                damaged.splice(place..place, slice);
            }
        }
    }
    damaged
}

#[test]
fn a_damaged_component_or_module_is_judged_and_never_more() {
    let component = adapt(COMMAND).expect("adapted").expect("a component");
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut refused = 0;
    for round in 0..ROUNDS {
        let damaged = damage(if round % 4 == 0 { COMMAND } else { &component }, &mut random);
        let judged = adapt(&damaged).and_then(|adapted| inspect(adapted.as_deref().unwrap_or(&damaged)));
        refused += u64::from(judged.is_err());
    }
    assert!(refused > ROUNDS / 2, "{refused} of {ROUNDS} were refused");
}

#[test]
fn a_damaged_compiled_file_is_never_loaded() {
    let folder = std::env::temp_dir().join(format!("copepod-mutations-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let engine = Engine::new(&EngineOptions::default()).expect("an engine");
    let whole = folder.join("whole.cwasm");
    engine.compile(COMMAND, &whole).expect("compiled");
    engine.load(&whole).expect("loaded as it was made");
    let bytes = std::fs::read(&whole).expect("read");
    let path = folder.join("damaged.cwasm");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..ROUNDS / 4 {
        let damaged = damage(&bytes, &mut random);
        if damaged == bytes {
            continue;
        }
        std::fs::write(&path, &damaged).expect("written");
        let Err(error) = engine.load(&path) else { panic!("a damaged file was loaded") };
        assert_eq!(error.code, ErrorCode::IncompatibleArtifact, "{error}");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}
