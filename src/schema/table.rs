//! Attributes of the published schema whose change does not raise the uSNChanged of the object that
//! shows them (R31).
//!
//! Source: [MS-ADA1], [MS-ADA2] and [MS-ADA3], Active Directory Schema Attributes A-L, M and N-Z,
//! of Windows Server 2016, by `linkID`, `systemFlags` and `attributeID`. A test compares the lists
//! with the schema files that Samba ships. Each row is lDAPDisplayName and attributeID: a filter
//! and a mapping may name an attribute by either (RFC 4512 section 2.5).

/// Name and OID of an attribute.
pub(super) type SchemaAttribute = (&'static str, &'static str);

/// Back-links: `linkID` is odd (MS-ADTS 3.1.1.1.6). The value is computed from the forward links of
/// other objects.
pub(super) const BACK_LINKS: &[SchemaAttribute] = &[
    ("bridgeheadServerListBL", "1.2.840.113556.1.4.820"),
    ("directReports", "1.2.840.113556.1.2.436"),
    ("frsComputerReferenceBL", "1.2.840.113556.1.4.870"),
    ("fRSMemberReferenceBL", "1.2.840.113556.1.4.876"),
    ("isPrivilegeHolder", "1.2.840.113556.1.4.638"),
    ("managedObjects", "1.2.840.113556.1.4.654"),
    ("masteredBy", "1.2.840.113556.1.4.1409"),
    ("memberOf", "1.2.840.113556.1.2.102"),
    (
        "msAuthz-MemberRulesInCentralAccessPolicyBL",
        "1.2.840.113556.1.4.2156",
    ),
    ("msCOM-PartitionSetLink", "1.2.840.113556.1.4.1424"),
    ("msCOM-UserLink", "1.2.840.113556.1.4.1425"),
    ("msDFSR-ComputerReferenceBL", "1.2.840.113556.1.6.13.3.103"),
    ("msDFSR-MemberReferenceBL", "1.2.840.113556.1.6.13.3.102"),
    ("msDS-AssignedAuthNPolicyBL", "1.2.840.113556.1.4.2296"),
    ("msDS-AssignedAuthNPolicySiloBL", "1.2.840.113556.1.4.2286"),
    ("msDS-AuthenticatedToAccountlist", "1.2.840.113556.1.4.1957"),
    ("msDS-AuthNPolicySiloMembersBL", "1.2.840.113556.1.4.2288"),
    ("msDS-ClaimSharesPossibleValuesWithBL", "1.2.840.113556.1.4.2102"),
    ("msDS-ComputerAuthNPolicyBL", "1.2.840.113556.1.4.2292"),
    ("msDS-EnabledFeatureBL", "1.2.840.113556.1.4.2069"),
    ("msDS-HostServiceAccountBL", "1.2.840.113556.1.4.2057"),
    ("msDS-IsDomainFor", "1.2.840.113556.1.4.1933"),
    ("msDS-IsFullReplicaFor", "1.2.840.113556.1.4.1932"),
    ("msDS-IsPartialReplicaFor", "1.2.840.113556.1.4.1934"),
    ("msDS-IsPrimaryComputerFor", "1.2.840.113556.1.4.2168"),
    ("msDS-KeyCredentialLink-BL", "1.2.840.113556.1.4.2329"),
    ("msDS-KeyPrincipalBL", "1.2.840.113556.1.4.2319"),
    ("msDS-KrbTgtLinkBl", "1.2.840.113556.1.4.1931"),
    ("msDs-masteredBy", "1.2.840.113556.1.4.1837"),
    ("msDS-MembersForAzRoleBL", "1.2.840.113556.1.4.1807"),
    ("msDS-MembersOfResourcePropertyListBL", "1.2.840.113556.1.4.2104"),
    ("msDS-NC-RO-Replica-Locations-BL", "1.2.840.113556.1.4.1968"),
    ("msDS-NonMembersBL", "1.2.840.113556.1.4.1794"),
    ("msDS-ObjectReferenceBL", "1.2.840.113556.1.4.1841"),
    ("msDS-OIDToGroupLinkBl", "1.2.840.113556.1.4.2052"),
    ("msDS-OperationsForAzRoleBL", "1.2.840.113556.1.4.1813"),
    ("msDS-OperationsForAzTaskBL", "1.2.840.113556.1.4.1809"),
    ("msDS-PSOApplied", "1.2.840.113556.1.4.2021"),
    ("msDS-RevealedDSAs", "1.2.840.113556.1.4.1930"),
    ("msDS-ServiceAuthNPolicyBL", "1.2.840.113556.1.4.2294"),
    ("msDS-TasksForAzRoleBL", "1.2.840.113556.1.4.1815"),
    ("msDS-TasksForAzTaskBL", "1.2.840.113556.1.4.1811"),
    ("msDS-TDOEgressBL", "1.2.840.113556.1.4.2194"),
    ("msDS-TDOIngressBL", "1.2.840.113556.1.4.2193"),
    ("msDS-UserAuthNPolicyBL", "1.2.840.113556.1.4.2290"),
    ("msDS-ValueTypeReferenceBL", "1.2.840.113556.1.4.2188"),
    ("msSFU30PosixMemberOf", "1.2.840.113556.1.6.18.1.347"),
    ("msTPM-TpmInformationForComputerBL", "1.2.840.113556.1.4.2110"),
    ("msTSPrimaryDesktopBL", "1.2.840.113556.1.4.2074"),
    ("msTSSecondaryDesktopBL", "1.2.840.113556.1.4.2078"),
    ("netbootSCPBL", "1.2.840.113556.1.4.864"),
    ("nonSecurityMemberBL", "1.2.840.113556.1.4.531"),
    ("ownerBL", "1.2.840.113556.1.2.104"),
    ("queryPolicyBL", "1.2.840.113556.1.4.608"),
    ("serverReferenceBL", "1.2.840.113556.1.4.516"),
    ("siteObjectBL", "1.2.840.113556.1.4.513"),
];

/// Constructed attributes: `systemFlags` has FLAG_ATTR_IS_CONSTRUCTED, 0x4 (MS-ADTS 2.2.10 and
/// 3.1.1.4.5). `aNR` has the flag too, and is left out: in a filter it stands for stored
/// attributes, and no object shows it.
pub(super) const CONSTRUCTED: &[SchemaAttribute] = &[
    ("allowedAttributes", "1.2.840.113556.1.4.913"),
    ("allowedAttributesEffective", "1.2.840.113556.1.4.914"),
    ("allowedChildClasses", "1.2.840.113556.1.4.911"),
    ("allowedChildClassesEffective", "1.2.840.113556.1.4.912"),
    ("attributeTypes", "2.5.21.5"),
    ("canonicalName", "1.2.840.113556.1.4.916"),
    ("createTimeStamp", "2.5.18.1"),
    ("dITContentRules", "2.5.21.2"),
    ("entryTTL", "1.3.6.1.4.1.1466.101.119.3"),
    ("extendedAttributeInfo", "1.2.840.113556.1.4.909"),
    ("extendedClassInfo", "1.2.840.113556.1.4.908"),
    ("fromEntry", "1.2.840.113556.1.4.910"),
    ("modifyTimeStamp", "2.5.18.2"),
    ("msDS-Approx-Immed-Subordinates", "1.2.840.113556.1.4.1669"),
    ("msDS-Auxiliary-Classes", "1.2.840.113556.1.4.1458"),
    ("msDS-isGC", "1.2.840.113556.1.4.1959"),
    ("msDS-isRODC", "1.2.840.113556.1.4.1960"),
    ("msDS-IsUserCachableAtRodc", "1.2.840.113556.1.4.2025"),
    ("msDS-KeyVersionNumber", "1.2.840.113556.1.4.1782"),
    ("msDS-LocalEffectiveDeletionTime", "1.2.840.113556.1.4.2059"),
    ("msDS-LocalEffectiveRecycleTime", "1.2.840.113556.1.4.2060"),
    ("msDS-ManagedPassword", "1.2.840.113556.1.4.2196"),
    ("msds-memberOfTransitive", "1.2.840.113556.1.4.2236"),
    ("msds-memberTransitive", "1.2.840.113556.1.4.2238"),
    ("msDS-NCReplCursors", "1.2.840.113556.1.4.1704"),
    ("msDS-NCReplInboundNeighbors", "1.2.840.113556.1.4.1705"),
    ("msDS-NCReplOutboundNeighbors", "1.2.840.113556.1.4.1706"),
    ("msDS-parentdistname", "1.2.840.113556.1.4.2203"),
    ("msDS-PrincipalName", "1.2.840.113556.1.4.1865"),
    ("msDS-QuotaEffective", "1.2.840.113556.1.4.1848"),
    ("msDS-QuotaUsed", "1.2.840.113556.1.4.1849"),
    ("msDS-ReplAttributeMetaData", "1.2.840.113556.1.4.1707"),
    ("msDS-ReplValueMetaData", "1.2.840.113556.1.4.1708"),
    ("msDS-ReplValueMetaDataExt", "1.2.840.113556.1.4.2235"),
    ("msDS-ResultantPSO", "1.2.840.113556.1.4.2022"),
    ("msDS-RevealedList", "1.2.840.113556.1.4.1940"),
    ("msDS-RevealedListBL", "1.2.840.113556.1.4.1975"),
    ("msDS-SiteName", "1.2.840.113556.1.4.1961"),
    ("msds-tokenGroupNames", "1.2.840.113556.1.4.2345"),
    (
        "msds-tokenGroupNamesGlobalAndUniversal",
        "1.2.840.113556.1.4.2346",
    ),
    ("msds-tokenGroupNamesNoGCAcceptable", "1.2.840.113556.1.4.2347"),
    ("msDS-TopQuotaUsage", "1.2.840.113556.1.4.1850"),
    ("msDS-User-Account-Control-Computed", "1.2.840.113556.1.4.1460"),
    ("msDS-UserPasswordExpiryTimeComputed", "1.2.840.113556.1.4.1996"),
    ("objectClasses", "2.5.21.6"),
    ("parentGUID", "1.2.840.113556.1.4.1224"),
    ("possibleInferiors", "1.2.840.113556.1.4.915"),
    ("primaryGroupToken", "1.2.840.113556.1.4.1412"),
    ("sDRightsEffective", "1.2.840.113556.1.4.1304"),
    ("structuralObjectClass", "2.5.21.9"),
    ("subSchemaSubEntry", "2.5.18.10"),
    ("tokenGroups", "1.2.840.113556.1.4.1301"),
    ("tokenGroupsGlobalAndUniversal", "1.2.840.113556.1.4.1418"),
    ("tokenGroupsNoGCAcceptable", "1.2.840.113556.1.4.1303"),
];

/// Attributes that are not replicated: `systemFlags` has FLAG_ATTR_NOT_REPLICATED, 0x1 (MS-ADTS
/// 2.2.10). Those of [`TRACKED`] have the flag too.
pub(super) const NOT_REPLICATED: &[SchemaAttribute] = &[
    ("badPasswordTime", "1.2.840.113556.1.4.49"),
    ("badPwdCount", "1.2.840.113556.1.4.12"),
    ("dSCorePropagationData", "1.2.840.113556.1.4.1357"),
    ("lastLogoff", "1.2.840.113556.1.4.51"),
    ("lastLogon", "1.2.840.113556.1.4.52"),
    ("logonCount", "1.2.840.113556.1.4.169"),
    ("modifiedCount", "1.2.840.113556.1.4.168"),
    ("msDS-BridgeHeadServersUsed", "1.2.840.113556.1.4.2049"),
    ("msDS-Cached-Membership", "1.2.840.113556.1.4.1441"),
    ("msDS-Cached-Membership-Time-Stamp", "1.2.840.113556.1.4.1442"),
    ("msDS-ExecuteScriptPassword", "1.2.840.113556.1.4.1783"),
    ("msDS-GenerationId", "1.2.840.113556.1.4.2166"),
    ("msDS-NcType", "1.2.840.113556.1.4.2024"),
    ("msDS-ReplicationEpoch", "1.2.840.113556.1.4.1720"),
    ("msDS-RetiredReplNCSignatures", "1.2.840.113556.1.4.1826"),
    ("msDS-TransformationRulesCompiled", "1.2.840.113556.1.4.2190"),
    ("msDS-USNLastSyncSuccess", "1.2.840.113556.1.4.2055"),
    ("partialAttributeDeletionList", "1.2.840.113556.1.4.663"),
    ("partialAttributeSet", "1.2.840.113556.1.4.640"),
    ("pekList", "1.2.840.113556.1.4.865"),
    ("prefixMap", "1.2.840.113556.1.4.538"),
    ("replPropertyMetaData", "1.2.840.113556.1.4.3"),
    ("replUpToDateVector", "1.2.840.113556.1.4.4"),
    ("repsFrom", "1.2.840.113556.1.2.91"),
    ("repsTo", "1.2.840.113556.1.2.83"),
    ("rIDNextRID", "1.2.840.113556.1.4.374"),
    ("rIDPreviousAllocationPool", "1.2.840.113556.1.4.372"),
    ("schemaUpdate", "1.2.840.113556.1.4.481"),
    ("serverState", "1.2.840.113556.1.4.154"),
    ("subRefs", "1.2.840.113556.1.2.7"),
    ("uSNLastObjRem", "1.2.840.113556.1.2.121"),
];

/// Attributes that are not replicated and yet change with the object on the same controller, or
/// never. `distinguishedName` changes with a container above as well, after which everything is
/// read (R8).
pub(super) const TRACKED: &[&str] = &[
    "distinguishedName",
    "objectGUID",
    "uSNChanged",
    "uSNCreated",
    "whenChanged",
];

/// Attributes of [`TRACKED`] that have another value on each controller.
pub(super) const PER_CONTROLLER: &[&str] = &["uSNChanged", "uSNCreated", "whenChanged"];

/// Attribute that is constructed by its flags, and left out of [`CONSTRUCTED`].
pub(super) const AMBIGUOUS_NAME: &str = "aNR";

/// Back-links of schema extensions in wide use (Microsoft Exchange), by name alone, and the common
/// name of `memberOf` (MS-ADA2), which is mistaken for its lDAPDisplayName.
pub(super) const FURTHER_BACK_LINKS: &[&str] = &[
    "altRecipientBL",
    "authOrigBL",
    "dLMemRejectPermsBL",
    "dLMemSubmitPermsBL",
    "homeMDBBL",
    "isMemberOfDL",
    "msExchBypassModerationBL",
    "msExchBypassModerationFromDLMembersBL",
    "msExchCoManagedObjectsBL",
    "msExchDelegateListBL",
    "msExchModeratedObjectsBL",
    "publicDelegatesBL",
    "unauthOrigBL",
];

/// Alternatives: names, in a filter, as the source of a row. An empty text means that there is
/// none.
pub(super) const ALTERNATIVES: &[(&[&str], &str, &str)] = &[
    (
        &[
            "memberOf",
            "isMemberOfDL",
            "msds-memberOfTransitive",
            "tokenGroups",
            "tokenGroupsGlobalAndUniversal",
            "tokenGroupsNoGCAcceptable",
            "msds-tokenGroupNames",
            "msds-tokenGroupNamesGlobalAndUniversal",
            "msds-tokenGroupNamesNoGCAcceptable",
        ],
        "name the group in AD_MEMBER_OF",
        "use `@groups`",
    ),
    (&["msds-memberTransitive"], "filter by `member`", "use `@members`"),
    (
        &["directReports"],
        "",
        "map `manager` in the rows of those who report",
    ),
    (
        &["managedObjects"],
        "",
        "map `managedBy` in the rows of what is managed",
    ),
    (
        &["msDS-User-Account-Control-Computed"],
        "filter by `userAccountControl` or `lockoutTime`",
        "use `userAccountControl` with the form account_enabled or account_status",
    ),
    (
        &["msDS-UserPasswordExpiryTimeComputed"],
        "filter by `pwdLastSet`",
        "use `pwdLastSet`",
    ),
    (
        &["lastLogon", "logonCount"],
        "filter by `lastLogonTimestamp`",
        "use `lastLogonTimestamp`",
    ),
    (
        &["badPwdCount", "badPasswordTime"],
        "filter by `lockoutTime`",
        "use `lockoutTime`",
    ),
    (
        &["canonicalName", "msDS-parentdistname", "parentGUID"],
        "narrow by AD_BASE_CONTEXT",
        "use `dn`",
    ),
    (
        &["primaryGroupToken"],
        "filter by `objectSid`",
        "use `objectSid`, which ends with the same number",
    ),
    (
        &["createTimeStamp"],
        "filter by `whenCreated`",
        "use `whenCreated`",
    ),
    (
        &["modifyTimeStamp"],
        "filter by `whenChanged`",
        "use `whenChanged`",
    ),
    (
        &["structuralObjectClass"],
        "filter by `objectClass`",
        "use `objectClass`",
    ),
    (
        &["msDS-PrincipalName"],
        "filter by `sAMAccountName`",
        "use `sAMAccountName`",
    ),
];
