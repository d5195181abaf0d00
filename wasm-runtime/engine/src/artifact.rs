//! The file a compiled component is kept in: wasmtime's own ELF image, which is mapped as it is and shared by all replicas, then a trailer
//! that says what it is and who made it.
//!
//! ```text
//! [ELF image][description, text][Ed25519 signature, 64 bytes][length of the description, u32 LE][b"copepod2"]
//! ```
//! The signature covers SHA-256 of image and description. Nothing of the file is mapped before it has been verified.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use ring::digest::{Context, SHA256};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::error::{EngineError, ErrorCode};
use crate::inspect::{ComponentInfo, WorkloadKind};

const MAGIC: &[u8; 8] = b"copepod2";
const SIGNATURE_BYTES: usize = 64;
const TAIL_BYTES: usize = SIGNATURE_BYTES + 4 + MAGIC.len();
/// So that a signature made for something else is never taken for one of these.
const PURPOSE: &[u8] = b"copepod compiled component\0";
const MAX_DESCRIPTION: usize = 4 << 20;

/// Whose files are loaded, and in whose name they are made.
pub struct Trust {
    own: Ed25519KeyPair,
    others: Vec<Vec<u8>>,
}

impl Trust {
    /// `seed`: 32 bytes, kept by the node; none: a key that lives as long as this process. `others`: public keys, 32 bytes each.
    /// Errors: BadCertificate.
    pub fn new(seed: Option<&[u8]>, others: Vec<Vec<u8>>) -> Result<Self, EngineError> {
        let bad = |what: &str| EngineError::new(ErrorCode::BadCertificate, format!("the key for compiled components cannot be used: {what}"));
        let own = match seed {
            Some(seed) => Ed25519KeyPair::from_seed_unchecked(seed).map_err(|error| bad(&error.to_string()))?,
            None => {
                let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|error| bad(&error.to_string()))?;
                Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|error| bad(&error.to_string()))?
            }
        };
        if others.iter().any(|key| key.len() != 32) {
            return Err(bad("a public key has 32 bytes"));
        }
        Ok(Self { own, others })
    }

    pub fn public_key(&self) -> &[u8] {
        self.own.public_key().as_ref()
    }

    fn knows(&self, message: &[u8], signature: &[u8]) -> bool {
        std::iter::once(self.public_key()).chain(self.others.iter().map(Vec::as_slice)).any(|key| UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok())
    }
}

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Of the engine it is for.
    pub compatibility: String,
    /// SHA-256 of the component it was compiled from, hexadecimal.
    pub digest: String,
    pub info: ComponentInfo,
}

impl Description {
    pub fn encode(&self) -> String {
        let kind = match self.info.kind {
            WorkloadKind::Service => "service",
            WorkloadKind::Command => "command",
        };
        let concurrent = if self.info.concurrent { "concurrent" } else { "plain" };
        format!("{}\n{}\n{kind}\n{concurrent}\n{}\n{}\n", self.compatibility, self.digest, self.info.imports.join("\t"), self.info.exports.join("\t"))
    }

    pub fn decode(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let mut next = || lines.next().map(str::to_owned);
        let (compatibility, digest, kind, concurrent, imports, exports) = (next()?, next()?, next()?, next()?, next()?, next()?);
        let names = |line: String| line.split('\t').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let kind = match kind.as_str() {
            "service" => WorkloadKind::Service,
            "command" => WorkloadKind::Command,
            _ => return None,
        };
        Some(Self { compatibility, digest, info: ComponentInfo { kind, concurrent: concurrent == "concurrent", imports: names(imports), exports: names(exports) } })
    }
}

/// Signs a file that holds an image and a description, as the compiler leaves it, and syncs it to disk. Errors: Io.
pub fn seal(path: &Path, image_bytes: u64, trust: &Trust) -> Result<(), EngineError> {
    let io = |error: std::io::Error| EngineError::new(ErrorCode::Io, format!("{}: {error}", path.display()));
    let mut file = File::options().read(true).write(true).open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let message = hash(&mut file, length).map_err(io)?;
    let description = u32::try_from(length.saturating_sub(image_bytes)).unwrap_or(u32::MAX);
    let signature = trust.own.sign(&message);
    file.seek(SeekFrom::End(0)).map_err(io)?;
    file.write_all(&[signature.as_ref(), &description.to_le_bytes(), MAGIC].concat()).map_err(io)?;
    file.sync_all().map_err(io)
}

/// Verifies an open file. What is returned was signed by a key that is trusted. Errors: IncompatibleArtifact, Io.
pub fn verify(path: &Path, file: &mut File, trust: &Trust, compatibility: &str) -> Result<Description, EngineError> {
    let io = |error: std::io::Error| EngineError::new(ErrorCode::Io, format!("{}: {error}", path.display()));
    let foreign = |why: &str| EngineError::new(ErrorCode::IncompatibleArtifact, format!("{}: {why}; compile the component again", path.display()));
    let length = file.metadata().map_err(io)?.len();
    let Some(signed) = length.checked_sub(TAIL_BYTES as u64) else { return Err(foreign("not a compiled component")) };
    let mut tail = [0; TAIL_BYTES];
    file.seek(SeekFrom::Start(signed)).map_err(io)?;
    file.read_exact(&mut tail).map_err(io)?;
    let (signature, rest) = tail.split_at(SIGNATURE_BYTES);
    let (size, magic) = rest.split_at(4);
    if magic != MAGIC {
        return Err(foreign("not a compiled component, or only part of one"));
    }
    let message = hash(file, signed).map_err(io)?;
    if !trust.knows(&message, signature) {
        return Err(foreign("its signature is not by a key this node trusts, or it was changed"));
    }
    let size = u32::from_le_bytes(size.try_into().unwrap_or_default()) as usize;
    if size > MAX_DESCRIPTION || size as u64 > signed {
        return Err(foreign("its description is too long"));
    }
    let mut text = vec![0; size];
    file.seek(SeekFrom::Start(signed - size as u64)).map_err(io)?;
    file.read_exact(&mut text).map_err(io)?;
    let description = std::str::from_utf8(&text).ok().and_then(Description::decode).ok_or_else(|| foreign("its description cannot be read"))?;
    if description.compatibility != compatibility {
        return Err(foreign("compiled for another engine, version, processor or tuning"));
    }
    Ok(description)
}

fn hash(file: &mut File, length: u64) -> std::io::Result<Vec<u8>> {
    let mut context = Context::new(&SHA256);
    file.seek(SeekFrom::Start(0))?;
    let mut left = file.take(length);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match left.read(&mut buffer)? {
            0 => break,
            count => context.update(&buffer[..count]),
        }
    }
    Ok([PURPOSE, context.finish().as_ref()].concat())
}

/// SHA-256 as hexadecimal text.
pub fn digest_of(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
