//! The one error of this crate: a closed code for programs, a message for people.

/// Closed set; the names are the façade's `RuntimeErrorCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    NotWasm,
    Truncated,
    NotAComponent,
    UnsupportedImport,
    NoEntryPoint,
    CompileFailed,
    IncompatibleArtifact,
    TooComplex,
    AlreadyExists,
    LimitTooSmall,
    BadGrant,
    Trap,
    OomKilled,
    DeadlineExceeded,
    Stopped,
    NoResponse,
    RequestTooLarge,
    HeadersTooLarge,
    PortInUse,
    PermissionDenied,
    AddressUnavailable,
    Overloaded,
    BadCertificate,
    Io,
    Internal,
}

impl ErrorCode {
    /// The code as the façade spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotWasm => "NotWasm",
            Self::Truncated => "Truncated",
            Self::NotAComponent => "NotAComponent",
            Self::UnsupportedImport => "UnsupportedImport",
            Self::NoEntryPoint => "NoEntryPoint",
            Self::CompileFailed => "CompileFailed",
            Self::IncompatibleArtifact => "IncompatibleArtifact",
            Self::TooComplex => "TooComplex",
            Self::AlreadyExists => "AlreadyExists",
            Self::LimitTooSmall => "LimitTooSmall",
            Self::BadGrant => "BadGrant",
            Self::Trap => "Trap",
            Self::OomKilled => "OOMKilled",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::Stopped => "Stopped",
            Self::NoResponse => "NoResponse",
            Self::RequestTooLarge => "RequestTooLarge",
            Self::HeadersTooLarge => "HeadersTooLarge",
            Self::PortInUse => "PortInUse",
            Self::PermissionDenied => "PermissionDenied",
            Self::AddressUnavailable => "AddressUnavailable",
            Self::Overloaded => "Overloaded",
            Self::BadCertificate => "BadCertificate",
            Self::Io => "Io",
            Self::Internal => "Internal",
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    pub code: ErrorCode,
    pub message: String,
}

impl EngineError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A socket that could not be bound, told apart by what the operator can do about it.
    pub fn from_bind(address: std::net::SocketAddr, error: &std::io::Error) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::AddrInUse => ErrorCode::PortInUse,
            std::io::ErrorKind::PermissionDenied => ErrorCode::PermissionDenied,
            _ => ErrorCode::AddressUnavailable,
        };
        Self::new(code, format!("cannot listen on {address}: {error}"))
    }
}
