//! Names with GUIDs and SIDs: LDAP_SERVER_EXTENDED_DN_OID, MS-ADTS 3.1.1.3.4.1.5.

use super::directory::State;
use super::schema::Values;

/// Value of the control for GUIDs and SIDs as text: SEQUENCE { INTEGER 1 }.
pub(super) const AS_TEXT: &[u8] = &[0x30, 3, 2, 1, 1];

/// Appends the name of object `id`, with GUID and SID where they are asked for.
pub(super) fn write_name(state: &State, id: u32, extended: bool, out: &mut Vec<u8>) {
    if let Some(view) = state.view(id, 0).filter(|_| extended) {
        out.extend_from_slice(format!("<GUID={}>;", guid_text(&view.guid())).as_bytes());
        if let Some(rid) = view.rid().filter(|&rid| rid != 0) {
            let [one, two, three] = state.domain.sid;
            out.extend_from_slice(format!("<SID=S-1-5-21-{one}-{two}-{three}-{rid}>;").as_bytes());
        }
    }
    state.dn_into(id, out);
}

/// Appends the values of an attribute that holds names. One that a test set as `<GUID=…>` is a
/// link: it follows the object that it names, and goes with it.
pub(super) fn write_values(state: &State, values: &Values, extended: bool, out: &mut Values) {
    for value in values.iter() {
        let object = std::str::from_utf8(value)
            .ok()
            .filter(|_| extended || value.starts_with(b"<"))
            .and_then(|name| state.resolve(name).ok());
        let is_link = value.starts_with(b"<");
        match object {
            Some(id) if is_link && state.view(id, 0).is_none_or(|view| view.is_deleted()) => {}
            Some(id) => out.push_with(|bytes| write_name(state, id, extended, bytes)),
            None => out.push(value),
        }
    }
}

/// The text form of a GUID (MS-DTYP 2.3.4.3).
pub(super) fn guid_text(guid: &[u8; 16]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (at, byte) in ORDER.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02x}", guid[byte]));
    }
    text
}
