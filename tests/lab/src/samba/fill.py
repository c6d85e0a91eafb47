"""Fills a freshly provisioned domain: 2,000 users and 250 groups, the same ones every time.

usage: fill.py SMB_CONF CONNECTOR_PASSWORD

Writes to sam.ldb of a controller that is not running, as the system. What is in it, below the domain root:

OU=People (OU=Berlin, OU=Paris, OU=Tokyo)   the ordinary users
OU=Groups                                   the ordinary groups
OU=Odd\\, Names                              users and groups whose names break naive programs, with an OU below it
OU=Service Accounts                         svc-connector: a plain account with a password, for the connector
OU=Not Assets                               contacts and computers: near to users, and none
"""

import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

USERS = 2000
GROUPS = 250

# DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID: lets pwdLastSet be written as it is; otherwise AD takes only 0 and -1.
KEEP_PASSWORD_TIME = ["local_oid:1.3.6.1.4.1.7165.4.3.12:0"]
# FILETIME, 100 ns since 1601: 2024-01-01T00:00:00Z.
FIRST_PASSWORD = 133485408000000000
NEVER = 0x7FFFFFFFFFFFFFFF

NORMAL_ACCOUNT = 0x200
DISABLED = 0x2
PASSWORD_NEVER_EXPIRES = 0x10000
WORKSTATION = 0x1000

SECURITY = -0x80000000
GLOBAL, DOMAIN_LOCAL, UNIVERSAL = 2, 4, 8
GROUP_TYPES = [
    SECURITY | GLOBAL,
    SECURITY | DOMAIN_LOCAL,
    SECURITY | UNIVERSAL,
    GLOBAL,
    DOMAIN_LOCAL,
    UNIVERSAL,
]

AWKWARD_NAMES = [
    "Doe, Jane",
    "C+ Programmers",
    'The "Boss"',
    "Back\\Slash",
    "Trailing\\",
    " Leading Space",
    "Trailing Space ",
    "  Two on both sides  ",
    "Two\nLines",
    "Tab\tStop",
    "#Hash First",
    "a=b",
    "<Angle> & Brackets",
    "Semi;Colon",
    "Slash/Forward",
    "*",
    "(objectClass=*)",
    "Percent %41 %s {0} ${HOME} $(id)",
    "CN=Fake,OU=Path",
    "O'Brien",
    "`Back` 'Tick'",
    "null",
    "-42",
    "0",
    "😀 Emoji 👩‍👩‍👧",
    "שלום עולם",
    "مرحبا \u202eتجاوز",
    "山田太郎",
    "김철수",
    "Ångström Łukasz ẞ",
    "Combining e\u0301 a\u0308 o\u0302",
    "İstanbul ı",
    "\u00a0No-break\u00a0",
    "\ufeffByte order mark",
    "\u200eMark",
    "Line\u2028Separator",
    "Delete\x7f",
    "Control\x01\x1f",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0010fffd",
    "x" * 64,
    "é" * 64,
    "👍" * 32,
    '"},{"asset":{}}',
    "</script><script>alert(1)</script>",
]


class Domain:
    """The directory being filled."""

    def __init__(self, smb_conf):
        parameters = LoadParm()
        parameters.load(smb_conf)
        self.samdb = SamDB(lp=parameters, session_info=system_session(parameters))
        self.root = self.samdb.domain_dn()
        self.realm = parameters.get("realm").lower()
        self.accounts = 0

    def dn(self, rdn_type, name, parent):
        """The DN of `name` below `parent`, escaped by ldb itself."""
        dn = ldb.Dn(self.samdb, f"{rdn_type}=x")
        dn.set_component(0, rdn_type, name)
        dn.add_base(ldb.Dn(self.samdb, parent))
        return str(dn)

    def add(self, dn, object_class, attributes, controls=None):
        message = {"dn": dn, "objectClass": object_class}
        message.update({name: value for name, value in attributes.items() if value is not None})
        self.samdb.add(message, controls or [])
        return dn

    def unit(self, name, parent=None):
        return self.add(self.dn("OU", name, parent or self.root), "organizationalUnit", {})

    def account_name(self, prefix):
        self.accounts += 1
        return f"{prefix}{self.accounts:05}"

    def user(self, name, parent, mail=None, display_name=None, password_set=0, object_class="user", disabled=False):
        account = self.account_name("u")
        control = NORMAL_ACCOUNT | (DISABLED if disabled else 0)
        attributes = {
            "sAMAccountName": account,
            "userPrincipalName": f"{account}@{self.realm}",
            "userAccountControl": str(control),
            "mail": mail,
            "displayName": display_name,
            "pwdLastSet": str(password_set),
            "sn": "Lab" if object_class == "inetOrgPerson" else None,
        }
        return self.add(self.dn("CN", name, parent), object_class, attributes, KEEP_PASSWORD_TIME)

    def group(self, name, parent, group_type, description=None, members=None):
        attributes = {
            "sAMAccountName": self.account_name("g"),
            "groupType": str(group_type),
            "description": description,
            "member": members or None,
        }
        return self.add(self.dn("CN", name, parent), "group", attributes)


def password_time(number):
    """Some 7 hours apart, every one with a fraction of a second; now and then must-change (0) and never."""
    if number % 10 == 3:
        return 0
    if number % 97 == 5:
        return NEVER
    return FIRST_PASSWORD + number * 254_321_987_654 % 900_000_000_000_000 + 9_999_999


def fill_odd(domain):
    """Awkward names, as users and as groups. Gives how many users and groups it made."""
    odd = domain.unit("Odd, Names")
    deeper = domain.unit('R&D + "Labs" #1', odd)
    users = groups = 0
    for number, name in enumerate(AWKWARD_NAMES):
        parent = deeper if number % 3 == 0 else odd
        domain.user(name, parent, mail=f"odd{number}@{domain.realm}", display_name=name, password_set=password_time(number))
        # In the other place: one container cannot hold two objects of one name.
        domain.group(name, deeper if parent == odd else odd, GROUP_TYPES[number % 6], description=name)
        users += 1
        groups += 1
    values = [
        ("No mail", {"display_name": "Has a display name"}),
        ("No display name", {"mail": f"only-mail@{domain.realm}"}),
        ("Neither", {}),
        ("Blank values", {"mail": " ", "display_name": "  "}),
        ("Odd mail", {"mail": '"odd, mail"@[192.0.2.1]', "display_name": "x" * 256}),
        ("Control characters", {"display_name": "a\x01b\x1b[31mc\r\nd"}),
        ("Before the epoch", {"password_set": 94354848000000001}),
        ("First instant", {"password_set": 1}),
        ("One tick before a second", {"password_set": FIRST_PASSWORD + 9_999_999}),
        ("Beyond year 9999", {"password_set": 2650467744000000000}),
        ("Negative time", {"password_set": -1}),
        ("Disabled", {"disabled": True}),
        ("An inetOrgPerson", {"object_class": "inetOrgPerson", "mail": f"inet@{domain.realm}"}),
    ]
    for name, attributes in values:
        domain.user(name, odd, **attributes)
        users += 1
    for number, group_type in enumerate(GROUP_TYPES):
        domain.group(f"Type {number} described", odd, group_type, description="First line\r\nSecond\tline\n")
        domain.group(f"Type {number}", deeper, group_type)
        groups += 2
    return users, groups


def fill_plain(domain, users, groups):
    """Ordinary users in three places, groups with members."""
    people = domain.unit("People")
    places = [domain.unit(name, people) for name in ("Berlin", "Paris", "Tokyo")] + [people]
    made = []
    for number in range(users):
        name = f"User {number:04}"
        dn = domain.user(
            name,
            places[number % 4],
            mail=None if number % 7 == 0 else f"user{number:04}@{domain.realm}",
            display_name=None if number % 11 == 0 else f"{name} of the Lab",
            password_set=password_time(number),
            disabled=number % 13 == 0,
        )
        made.append(dn)
    unit = domain.unit("Groups")
    for number in range(groups):
        description = None if number % 5 == 0 else f"Members of team {number}"
        members = made[number * 7 % len(made) :][:10]
        domain.group(f"Team {number:03}", unit, GROUP_TYPES[number % 6], description, members)


def fill_others(domain):
    """What must not arrive as a user: contacts, computers, deleted users."""
    unit = domain.unit("Not Assets")
    for number in range(5):
        mail = f"contact{number}@elsewhere.example"
        domain.add(domain.dn("CN", f"Contact {number}", unit), "contact", {"mail": mail, "displayName": "A contact"})
        attributes = {"sAMAccountName": f"LABPC{number}$", "userAccountControl": str(WORKSTATION)}
        domain.add(domain.dn("CN", f"LABPC{number}", unit), "computer", attributes)
        domain.samdb.delete(domain.user(f"Gone {number}", unit, mail=f"gone{number}@{domain.realm}"))


def fill_accounts(domain, password):
    """The connector's own account, least privilege; and passwords that never expire, for a cached domain grows old."""
    attributes = {
        "sAMAccountName": "svc-connector",
        "userPrincipalName": f"svc-connector@{domain.realm}",
        "userAccountControl": str(NORMAL_ACCOUNT | PASSWORD_NEVER_EXPIRES),
        "unicodePwd": f'"{password}"'.encode("utf-16-le"),
    }
    domain.add(domain.dn("CN", "svc-connector", domain.unit("Service Accounts")), "user", attributes)
    policy = ldb.Message(ldb.Dn(domain.samdb, domain.root))
    policy["maxPwdAge"] = ldb.MessageElement(str(-(2**63)), ldb.FLAG_MOD_REPLACE, "maxPwdAge")
    domain.samdb.modify(policy)


def main(smb_conf, password):
    domain = Domain(smb_conf)
    domain.samdb.transaction_start()
    try:
        users, groups = fill_odd(domain)
        fill_plain(domain, USERS - users, GROUPS - groups)
        fill_others(domain)
        fill_accounts(domain, password)
    except BaseException:
        domain.samdb.transaction_cancel()
        raise
    domain.samdb.transaction_commit()


main(*sys.argv[1:])
