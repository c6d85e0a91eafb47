//! The whole way on the page against a real Active Directory (Samba).
