//! Statements that store a page, each of which decides for all its objects (docs/architecture.md
//! has them in their order).

/// Finds the row of each object and the asset with its id, and numbers those that are new; a new
/// asset is staged. A removed object that is there again and cannot be mapped gets its asset back,
/// so that its next absence is noticed. Without an asset there is no object.
pub(super) const FIND: &str = "
    UPDATE page SET (object, is_new, asset, asset_is_new, verdict) = (
        SELECT
            coalesce(o.id, CASE WHEN page.external_id IS NOT NULL OR r.id IS NOT NULL
                THEN $1 + page.position END),
            CASE WHEN o.id IS NULL AND (page.external_id IS NOT NULL OR r.id IS NOT NULL)
                THEN 1 ELSE 0 END,
            CASE WHEN page.external_id IS NOT NULL THEN coalesce(a.id, $1 + page.first_with_id)
                ELSE r.asset END,
            CASE WHEN page.first_with_id = page.position AND page.external_id IS NOT NULL AND a.id IS NULL
                THEN 1 ELSE 0 END,
            CASE WHEN page.external_id IS NOT NULL AND o.id IS NULL AND a.id IS NULL THEN 'stage' END
        FROM (SELECT 1) AS single
        LEFT JOIN object AS o ON o.connection = $2 AND o.guid = page.guid
        LEFT JOIN asset AS a ON a.target = $3 AND a.external_id = page.external_id
        LEFT JOIN removed AS r ON page.external_id IS NULL AND o.id IS NULL AND r.id = (
            SELECT max(l.id) FROM removed AS l WHERE l.connection = $2 AND l.guid = page.guid))";

/// Stores new assets; the first object with the id owns each.
pub(super) const NEW_ASSETS: &str = "
    INSERT INTO asset (id, target, external_id, owner)
    SELECT asset, $1, external_id, object FROM page WHERE asset_is_new = 1 ORDER BY position";

/// Stores new objects.
pub(super) const NEW_OBJECTS: &str = "
    INSERT INTO object (id, connection, guid, kind, dn, asset, linked, first_seq, changed_by)
    SELECT object, $1, guid, kind, dn, asset, linked, $2, $3 FROM page WHERE is_new = 1 ORDER BY position";

/// Lists the assets whose owner has another id now.
pub(super) const RELEASED: &str = "
    INSERT INTO released (asset)
    SELECT DISTINCT o.asset FROM page AS p
    JOIN object AS o ON o.id = p.object
    JOIN asset AS a ON a.id = o.asset
    WHERE p.is_new = 0 AND p.external_id IS NOT NULL AND p.asset <> o.asset AND a.owner = o.id";

/// Records these as gone where upstream holds or may hold them (R37 b); another object may still
/// claim them.
pub(super) const REPLACED: &str = "
    INSERT INTO recheck (connection, why, guid, kind, dn, asset, since, verdict, reason)
    SELECT $1, 'replaced', o.guid, o.kind, o.dn, o.asset, $2, 'gone',
        'the externalAssetId of the object is ' || p.external_id || ' now'
    FROM released AS r
    CROSS JOIN asset AS a
    CROSS JOIN object AS o
    CROSS JOIN page AS p
    WHERE a.id = r.asset AND o.id = a.owner AND p.object = o.id
        AND (a.accepted_at IS NOT NULL OR a.sent <> 0)
    ON CONFLICT (asset) WHERE asset IS NOT NULL DO NOTHING";

/// Lists the assets of other objects whose connection is not configured any more: no run reads
/// those again.
pub(super) const ABANDONED: &str = "
    INSERT INTO released (asset)
    SELECT DISTINCT a.id FROM page AS p CROSS JOIN asset AS a CROSS JOIN object AS o CROSS JOIN connection AS c
    WHERE p.asset_is_new = 0 AND a.id = p.asset AND a.owner <> p.object AND o.id = a.owner
        AND c.id = o.connection AND c.configured = 0";

/// Ends the waiting of objects that claim another id now, or none that is known.
pub(super) const LEAVE_CONTEST: &str = "
    DELETE FROM contender WHERE object IN (
        SELECT c.object FROM page AS p JOIN contender AS c ON c.object = p.object
        WHERE p.is_new = 0 AND (p.external_id IS NULL OR p.asset <> c.asset))";

/// Records the groups that became roles, and the roles that became groups, in the history of the
/// run.
pub(super) const RECLASSIFIED: &str = "
    INSERT INTO run_object (run, fate, guid, kind, dn, external_id, reason)
    SELECT $1, 'reclassified', o.guid, o.kind, p.dn, a.external_id, 'became a ' || p.kind
    FROM page AS p CROSS JOIN object AS o CROSS JOIN asset AS a
    WHERE p.is_new = 0 AND o.id = p.object AND o.kind <> p.kind AND a.id = o.asset
    ORDER BY p.position";

/// Updates what is known of objects.
pub(super) const UPDATE_OBJECTS: &str = "
    UPDATE object SET kind = p.kind, dn = p.dn, linked = coalesce(p.linked, object.linked),
        asset = CASE WHEN p.external_id IS NULL THEN object.asset ELSE p.asset END
    FROM page AS p
    WHERE p.object = object.id AND p.is_new = 0 AND (
        object.kind <> p.kind OR object.dn <> p.dn
        OR (p.external_id IS NOT NULL AND object.asset <> p.asset)
        OR (p.linked IS NOT NULL AND p.linked IS DISTINCT FROM object.linked))";

/// Gives an asset without an owner to the first object of the page that claims it.
pub(super) const CLAIM: &str = "
    UPDATE asset SET owner = p.object FROM page AS p
    WHERE p.asset_is_new = 0 AND p.asset = asset.id AND coalesce(asset.owner, 0) = 0
        AND p.first_with_id = p.position";

/// Notes the objects whose id is another object's: they wait (R37 c).
pub(super) const CONTEND: &str = "
    INSERT INTO contender (object, asset, connection, since)
    SELECT p.object, p.asset, $1, $2 FROM page AS p JOIN asset AS a ON a.id = p.asset
    WHERE p.asset_is_new = 0 AND a.owner <> p.object
    ON CONFLICT (object) DO NOTHING";

/// Notes a change of the objects that were missing before, since the controller that missed them is
/// to be asked again (R2).
pub(super) const FOUND_AGAIN: &str = "
    UPDATE object SET changed_seq = $1, changed_by = $2 WHERE id IN (
        SELECT p.object FROM page AS p CROSS JOIN recheck AS r
        WHERE r.connection = $3 AND r.why = 'missing' AND r.guid = p.guid AND r.asset IS NULL)";

/// Forgets notes about objects that were returned: each is neither missing, nor removed, nor missed
/// on this controller. Each with the table without whose rows there is nothing to forget.
pub(super) const RETURNED: [(&str, &str); 4] = [
    (
        "recheck",
        "DELETE FROM recheck WHERE connection = $1 AND why = 'missing' AND asset IS NULL
             AND guid IN (SELECT guid FROM page)",
    ),
    (
        "recheck",
        "DELETE FROM recheck WHERE connection = $1 AND why IN ('unmapped', 'inherited')
             AND asset IS NULL AND guid IN (SELECT guid FROM page WHERE external_id IS NOT NULL)",
    ),
    (
        "removed_by",
        "DELETE FROM removed_by WHERE connection = $1 AND guid IN (SELECT guid FROM page)",
    ),
    (
        "missed_on",
        "DELETE FROM missed_on WHERE connection = $1 AND guid IN (SELECT guid FROM page)
             AND controller = (SELECT controller FROM run WHERE connection = $1 AND ended IS NULL)",
    ),
];

/// Forgets notes about assets that a live object claims: each is not removed, and nothing says so
/// to upstream (R37 a). Each with the table without whose rows there is nothing to forget.
pub(super) const CLAIMED: [(&str, &str); 4] = [
    (
        "recheck",
        "DELETE FROM recheck WHERE asset IN (SELECT asset FROM page WHERE asset IS NOT NULL)",
    ),
    (
        "removed",
        "DELETE FROM document WHERE seq IN (
             SELECT s.seq FROM page AS p CROSS JOIN stage AS s WHERE s.asset = p.asset AND s.object IS NULL)",
    ),
    (
        "removed",
        "DELETE FROM stage WHERE (connection, seq) IN (SELECT s.connection, s.seq
             FROM page AS p CROSS JOIN stage AS s WHERE s.asset = p.asset AND s.object IS NULL)",
    ),
    (
        "removed",
        "DELETE FROM removed WHERE asset IN (SELECT asset FROM page WHERE asset IS NOT NULL)",
    ),
];

/// Decides what is done with each asset that is known: it waits in this version already, upstream
/// holds it for certain (R17), or it is staged. The version of an object that does not own its
/// asset waits in any case: what upstream holds of it may change.
pub(super) const DECIDE: &str = "
    UPDATE page SET verdict = CASE
        WHEN EXISTS (SELECT 1 FROM stage AS s
            WHERE s.object = page.object AND s.asset = page.asset AND s.fingerprint = page.fingerprint)
            THEN 'waits'
        WHEN $1 = 0 AND EXISTS (SELECT 1 FROM asset AS a
            WHERE a.id = page.asset AND a.owner = page.object AND a.sent = 0
                AND a.fingerprint = page.fingerprint)
            THEN 'held'
        ELSE 'stage' END
    WHERE external_id IS NOT NULL AND verdict IS NULL";

/// Notes a change of what upstream holds or is about to get (R2). What is sent once more and is
/// what upstream holds changes nothing.
pub(super) const CHANGED: &str = "
    UPDATE object SET changed_seq = $1, changed_by = $2 WHERE id IN (
        SELECT p.object FROM page AS p JOIN asset AS a ON a.id = p.asset
        WHERE p.is_new = 0 AND p.verdict IN ('held', 'stage') AND (
            (p.verdict = 'stage' AND p.fingerprint IS DISTINCT FROM a.fingerprint)
            OR EXISTS (SELECT 1 FROM stage AS s WHERE s.object = p.object)))";

/// Takes from the stage what another version replaces, or what upstream holds already. The text of
/// a version that may be upstream, and was not refused, is kept where the asset has no other: what
/// replaces it may be refused, and the asset's removal is then made of a text that was not.
pub(super) const WITHDRAW: [&str; 3] = [
    "UPDATE asset SET document = s.seq FROM page AS p JOIN stage AS s ON s.object = p.object
     WHERE p.is_new = 0 AND p.verdict IN ('held', 'stage') AND asset.id = s.asset
         AND asset.document IS NULL AND asset.sent = s.seq AND s.reject_reason IS NULL",
    "DELETE FROM document WHERE seq IN (
         SELECT s.seq FROM page AS p JOIN stage AS s ON s.object = p.object
         JOIN asset AS a ON a.id = s.asset
         WHERE p.is_new = 0 AND p.verdict IN ('held', 'stage') AND a.document IS DISTINCT FROM s.seq)",
    "DELETE FROM stage WHERE object IN (
         SELECT object FROM page WHERE is_new = 0 AND verdict IN ('held', 'stage'))",
];

/// Updates the kind of what waits.
pub(super) const UPDATE_KIND: &str = "
    UPDATE stage SET kind = p.kind FROM page AS p
    WHERE p.object = stage.object AND p.verdict = 'waits' AND p.kind <> stage.kind";

/// Stages versions under their numbers.
pub(super) const STAGE: &str = "
    INSERT INTO stage (connection, seq, object, asset, kind, fingerprint, staged_at)
    SELECT $1, $2 + position, object, asset, kind, fingerprint, $3 FROM page
    WHERE verdict = 'stage' ORDER BY position";

/// Decides which objects without an asset come for the first time in this run.
pub(super) const DECIDE_UNMAPPED: &str = "
    UPDATE page SET verdict = CASE
        WHEN EXISTS (SELECT 1 FROM recheck AS r WHERE r.connection = $1 AND r.why = 'unmapped'
            AND r.guid = page.guid AND r.asset IS NULL AND r.run = $2) THEN 'repeated'
        ELSE 'unmapped' END
    WHERE external_id IS NULL";

/// Records these in the history of the run.
pub(super) const RECORD_UNMAPPED: &str = "
    INSERT INTO run_object (run, fate, guid, kind, dn, reason)
    SELECT $1, 'unmapped', guid, kind, dn, reason FROM page WHERE verdict = 'unmapped' ORDER BY position";

/// Notes the objects without an asset, to be read again (R15).
pub(super) const UNMAPPED: &str = "
    INSERT INTO recheck (connection, why, guid, kind, dn, since, reason, run, controller)
    SELECT $1, 'unmapped', guid, kind, dn, $2, reason, $3, $4 FROM page WHERE external_id IS NULL
    ON CONFLICT (connection, why, guid) WHERE guid IS NOT NULL AND asset IS NULL DO UPDATE SET
        kind = excluded.kind, dn = excluded.dn, reason = excluded.reason, run = excluded.run,
        controller = excluded.controller";

/// Counts the page.
pub(super) const COUNT: &str = "SELECT kind, verdict, count(*) AS objects FROM page GROUP BY kind, verdict";
