//! Kerberos against a real Active Directory (Samba): with a keytab or a ticket, over LDAPS, StartTLS and sealed on 389, what
//! arrives is what the directory holds; and what is said when it cannot work.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

#[cfg(feature = "kerberos")]
mod support;

#[cfg(feature = "kerberos")]
#[path = "samba_kerberos/arriving.rs"]
mod arriving;
#[cfg(feature = "kerberos")]
#[path = "samba_kerberos/binding.rs"]
mod binding;
#[cfg(feature = "kerberos")]
#[path = "samba_kerberos/refusals.rs"]
mod refusals;
#[cfg(feature = "kerberos")]
#[path = "samba_kerberos/world.rs"]
mod world;

#[cfg(not(feature = "kerberos"))]
#[test]
fn kerberos() {
    lab::skip!(
        "built without Kerberos: apt-get install libkrb5-dev libclang-dev pkg-config, then test with --features kerberos"
    );
}
