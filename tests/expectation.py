"""What the connector must deliver for a Samba domain, worked out without any of the connector's code.

usage: expectation.py SMB_CONF [BASE] [subtree|onelevel|base]

Reads the controller's database file itself (not over LDAP), chooses users and groups by looking at every object (not
by an LDAP filter) and applies the built-in mapping table. Prints one JSON object: externalAssetId -> assetData element.
The decoders below are written from MS-DTYP and MS-ADTS, with nothing shared.
"""

import datetime
import json
import re
import struct
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

SCOPES = {"subtree": ldb.SCOPE_SUBTREE, "onelevel": ldb.SCOPE_ONELEVEL, "base": ldb.SCOPE_BASE}
ATTRIBUTES = ["objectClass", "objectCategory", "objectSid", "objectGUID", "name", "mail", "displayName", "whenCreated"]
ATTRIBUTES += ["pwdLastSet", "description", "groupType", "isDeleted"]


def sid_text(raw):
    """MS-DTYP 2.4.2.2: revision, count, 48-bit big-endian authority, 32-bit little-endian sub-authorities."""
    revision, count = raw[0], raw[1]
    assert revision == 1 and len(raw) == 8 + 4 * count, raw.hex()
    authority = int.from_bytes(raw[2:8], "big")
    return "-".join(["S", "1", str(authority)] + [str(part) for part in struct.unpack(f"<{count}I", raw[8:])])


def guid_text(raw):
    """MS-DTYP 2.3.4.2: three little-endian fields, then eight bytes as they are."""
    first, second, third = struct.unpack("<IHH", raw[:8])
    return f"{first:08x}-{second:04x}-{third:04x}-{raw[8:10].hex()}-{raw[10:].hex()}"


def filetime_text(raw):
    """100 ns since 1601, UTC; 0, never and whatever is not between 1601 and 9999 are no time."""
    value = int(raw)
    if value <= 0 or value == 0x7FFFFFFFFFFFFFFF:
        return None
    try:
        moment = datetime.datetime(1601, 1, 1) + datetime.timedelta(seconds=value // 10_000_000)
    except OverflowError:
        return None
    return moment.isoformat(timespec="seconds") + "Z"


def generalized_text(raw):
    year, month, day, hour, minute, second = re.fullmatch(
        rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z", raw
    ).groups()
    return b"%s-%s-%sT%s:%s:%sZ" % (year, month, day, hour, minute, second)


def group_type_text(raw):
    """MS-ADTS 2.2.12: one scope bit, the builtin bit, the security bit."""
    bits = int(raw) & 0xFFFFFFFF
    kind = "Security" if bits & 0x80000000 else "Distribution"
    scope = {2: "Global", 4: "Domain Local", 8: "Universal"}[bits & 0xE]
    return f"{kind} Group - {'Builtin Local' if bits & 1 else scope}"


def first(entry, name, decode=lambda raw: raw.decode()):
    """The decoded first value, or None."""
    values = entry.get(name)
    return None if values is None else decode(values[0])


def kind_of(entry):
    """`user`, `group` or None, from the object's own category and classes."""
    if "isDeleted" in entry or "objectCategory" not in entry:
        return None
    category = str(entry["objectCategory"][0]).split(",")[0].lower()
    classes = {value.decode().lower() for value in entry["objectClass"]}
    if category == "cn=person" and "user" in classes:
        return "user"
    return "group" if category == "cn=group" else None


def asset(entry, kind):
    if kind == "user":
        detail = {
            "name": first(entry, "name"),
            "email": first(entry, "mail"),
            "displayName": first(entry, "displayName"),
            "activationDate": first(entry, "whenCreated", lambda raw: generalized_text(raw).decode()),
            "passwordLastChangedAt": first(entry, "pwdLastSet", filetime_text),
        }
    else:
        detail = {
            "name": first(entry, "name"),
            "description": first(entry, "description"),
            "type": first(entry, "groupType", group_type_text),
        }
    header = {
        "externalAssetId": first(entry, "objectSid", sid_text),
        "vendorAssetId": first(entry, "objectGUID", guid_text),
    }
    detail = {key: value for key, value in detail.items() if value is not None}
    return {"asset": {"assetHeader": header, "assetDetail": {f"{kind}AssetClass": detail}}}


def main(smb_conf, base=None, scope="subtree"):
    parameters = LoadParm()
    parameters.load(smb_conf)
    samdb = SamDB(lp=parameters, session_info=system_session(parameters))
    entries = samdb.search(base or samdb.domain_dn(), SCOPES[scope], attrs=ATTRIBUTES)
    assets = {}
    for entry in entries:
        kind = kind_of(entry)
        if kind is not None:
            element = asset(entry, kind)
            assets[element["asset"]["assetHeader"]["externalAssetId"]] = element
    json.dump(assets, sys.stdout, sort_keys=True)


main(*sys.argv[1:])
