//! TLS of controllers and of the gateway: the certificate that a server shows, and the reasons for
//! which a handshake fails.

mod certificate;
mod fault;
mod handshake;
mod problem;

pub use certificate::{IssuerCertificate, PeerCertificate, date, hex};
pub use fault::TlsFault;
pub use handshake::{Handshake, HandshakeRecord, RecordingVerifier};
pub(crate) use problem::FEWEST_RSA_BITS;
pub use problem::TlsProblem;
