"""Gives a stopped controller another invocationId, as its restoration from a backup does (MS-ADTS 3.1.1.1.9).

usage: restored.py SMB_CONF
"""

import sys
import uuid

import ldb
from samba.auth import system_session
from samba.dcerpc import misc
from samba.ndr import ndr_pack
from samba.param import LoadParm
from samba.samdb import SamDB


def main(smb_conf):
    parameters = LoadParm()
    parameters.load(smb_conf)
    samdb = SamDB(lp=parameters, session_info=system_session(parameters))
    message = ldb.Message(ldb.Dn(samdb, samdb.get_dsServiceName()))
    value = ndr_pack(misc.GUID(str(uuid.uuid4())))
    message["invocationId"] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, "invocationId")
    samdb.modify(message, ["relax:0"])


main(*sys.argv[1:])
