"""Adds ordinary users to a running lab domain until it has so many.

usage: crowd.py SMB_CONF USERS
"""

import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

UNIT = "OU=Crowd,DC=corp,DC=example"
# One transaction each: all in one would hold the database for minutes.
TOGETHER = 500


def main(smb_conf, users):
    settings = LoadParm()
    settings.load(smb_conf)
    directory = SamDB(session_info=system_session(settings), lp=settings)
    found = directory.search("DC=corp,DC=example", scope=ldb.SCOPE_SUBTREE, attrs=["1.1"],
                             expression="(&(objectCategory=person)(objectClass=user))")
    missing = range(len(found), users)
    if missing and not directory.search("DC=corp,DC=example", expression="(ou=Crowd)", attrs=["1.1"]):
        directory.add({"dn": UNIT, "objectClass": "organizationalUnit"})
    for first in missing[::TOGETHER]:
        directory.transaction_start()
        for number in range(first, min(first + TOGETHER, users)):
            directory.add({
                "dn": f"CN=Crowd Member {number},{UNIT}",
                "objectClass": "user",
                "sAMAccountName": f"crowd{number}",
                "userPrincipalName": f"crowd{number}@corp.example",
                "displayName": f"Member {number} of the Crowd",
                "mail": f"crowd.member.{number}@corp.example",
                "department": f"Department {number % 50}",
            })
        directory.transaction_commit()


main(sys.argv[1], int(sys.argv[2]))
