"""Changes a domain: a JSON list of changes on standard input, applied in one transaction.

usage: change.py SMB_CONF < CHANGES

{"change": "add", "dn": DN, "attributes": {NAME: [VALUE, ...]}}   objectClass is one of the attributes
{"change": "set", "dn": DN, "attribute": NAME, "values": [VALUE, ...]}   no values: the attribute goes
{"change": "move", "dn": DN, "to": DN}   a rename, a move, or both
{"change": "delete", "dn": DN}   with everything below; nothing there is fine
{"change": "restore", "dn": DN}   what was deleted last under this name is back under it
{"change": "deny", "dn": DN, "entry": SDDL}   an entry before all others of the access control list
{"change": "undeny", "dn": DN, "entry": SDDL}   takes it away again

pwdLastSet may have any value. unicodePwd is given as text.
"""

import json
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
from samba.sd_utils import SDUtils

# DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID: lets pwdLastSet be written as it is; otherwise AD takes only 0 and -1.
KEEP_PASSWORD_TIME = ["local_oid:1.3.6.1.4.1.7165.4.3.12:0"]


def raw(name, values):
    """The values as the directory holds them."""
    if name.lower() == "unicodepwd":
        return [f'"{value}"'.encode("utf-16-le") for value in values]
    return [value.encode() for value in values]


def controls(names):
    return KEEP_PASSWORD_TIME if "pwdlastset" in {name.lower() for name in names} else []


def add(samdb, dn, attributes):
    message = ldb.Message(ldb.Dn(samdb, dn))
    for name, values in attributes.items():
        message[name] = ldb.MessageElement(raw(name, values), ldb.FLAG_MOD_ADD, name)
    samdb.add(message, controls(attributes))


def set_attribute(samdb, dn, attribute, values):
    message = ldb.Message(ldb.Dn(samdb, dn))
    message[attribute] = ldb.MessageElement(raw(attribute, values), ldb.FLAG_MOD_REPLACE, attribute)
    samdb.modify(message, controls([attribute]))


def move(samdb, dn, to):
    samdb.rename(ldb.Dn(samdb, dn), ldb.Dn(samdb, to))


def delete(samdb, dn):
    try:
        samdb.delete(ldb.Dn(samdb, dn), ["tree_delete:1"])
    except ldb.LdbError as error:
        if error.args[0] != ldb.ERR_NO_SUCH_OBJECT:
            raise


def restore(samdb, dn):
    """Reanimates a tombstone (MS-ADTS 3.1.1.5.3.7)."""
    name = ldb.Dn(samdb, dn).get_rdn_value()
    deleted = samdb.search(
        samdb.domain_dn(),
        ldb.SCOPE_SUBTREE,
        "(isDeleted=TRUE)",
        ["name", "uSNChanged"],
        controls=["show_deleted:1"],
    )
    # A tombstone is called after the object and its GUID (MS-ADTS 3.1.1.5.5).
    of_name = [found for found in deleted if str(found["name"][0]).startswith(f"{name}\nDEL:")]
    if not of_name:
        raise SystemExit(f"cannot restore {dn}: no such tombstone")
    message = ldb.Message(max(of_name, key=lambda found: int(found["uSNChanged"][0])).dn)
    message["isDeleted"] = ldb.MessageElement([], ldb.FLAG_MOD_DELETE, "isDeleted")
    message["distinguishedName"] = ldb.MessageElement([dn], ldb.FLAG_MOD_REPLACE, "distinguishedName")
    samdb.modify(message, ["show_deleted:1"])


def rewrite_list(samdb, dn, rewrite):
    """Lets `rewrite` change the entries of the access control list, in SDDL."""
    rights = SDUtils(samdb)
    text = rights.get_sd_as_sddl(ldb.Dn(samdb, dn))
    head, flags, entries = text.partition("D:")
    start = entries.index("(")
    rights.modify_sd_on_dn(ldb.Dn(samdb, dn), head + flags + entries[:start] + rewrite(entries[start:]))


def deny(samdb, dn, entry):
    rewrite_list(samdb, dn, lambda entries: entry + entries)


def undeny(samdb, dn, entry):
    rewrite_list(samdb, dn, lambda entries: entries.replace(entry, "", 1))


CHANGES = {
    "add": add,
    "set": set_attribute,
    "move": move,
    "restore": restore,
    "delete": delete,
    "deny": deny,
    "undeny": undeny,
}


def main(smb_conf):
    parameters = LoadParm()
    parameters.load(smb_conf)
    samdb = SamDB(lp=parameters, session_info=system_session(parameters))
    changes = json.load(sys.stdin)
    samdb.transaction_start()
    try:
        for change in changes:
            kind = change.pop("change")
            try:
                CHANGES[kind](samdb, **change)
            except ldb.LdbError as error:
                raise SystemExit(f"cannot {kind} {change['dn']}: {error.args[1]}")
    except BaseException:
        samdb.transaction_cancel()
        raise
    samdb.transaction_commit()


main(*sys.argv[1:])
