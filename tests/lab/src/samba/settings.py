"""Prints the controllers of a domain: a line each, its name, and the GUID and the DN of its NTDS Settings.

usage: settings.py SMB_CONF
"""

import sys

import ldb
from samba.auth import system_session
from samba.dcerpc import misc
from samba.ndr import ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB


def main(smb_conf):
    parameters = LoadParm()
    parameters.load(smb_conf)
    samdb = SamDB(lp=parameters, session_info=system_session(parameters))
    base = f"CN=Sites,{samdb.get_config_basedn()}"
    for settings in samdb.search(base, ldb.SCOPE_SUBTREE, "(objectClass=nTDSDSA)", ["objectGUID"]):
        name = settings.dn.parent().get_rdn_value()
        print(name, ndr_unpack(misc.GUID, settings["objectGUID"][0]), settings.dn)


main(*sys.argv[1:])
