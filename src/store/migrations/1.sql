-- Version 1. Ids and digests are 32-byte blobs (BLAKE3); paths and other bytes from a target are
-- text where they are UTF-8 and blobs where not; times are Unix seconds with nanoseconds beside.

-- Directories by exact id: a format byte, a checksum, then the canonical encoding (zstd), or the
-- ids of the parts that make it.
CREATE TABLE trees (id BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE chunks (id BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE shipped (id BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
-- Bytes of small text files by their digest.
CREATE TABLE texts (id BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE alternate_digests (
    content BLOB PRIMARY KEY, md5 BLOB, sha1 BLOB, sha256 BLOB, sha512 BLOB,
    checksum INTEGER NOT NULL
) WITHOUT ROWID;

-- Sets of records, each stored once.
CREATE TABLE sets (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, id BLOB NOT NULL, rows INTEGER NOT NULL,
    UNIQUE (kind, id)
);
CREATE TABLE packages (
    set_number INTEGER NOT NULL, position INTEGER NOT NULL,
    manager TEXT NOT NULL, name TEXT NOT NULL, architecture TEXT, instance TEXT,
    version TEXT NOT NULL, state TEXT NOT NULL,
    installed_at INTEGER, installed_at_nanoseconds INTEGER,
    origin TEXT, purl TEXT NOT NULL, evidence NOT NULL, details TEXT NOT NULL,
    PRIMARY KEY (set_number, position)
) WITHOUT ROWID;
CREATE TABLE facts (
    set_number INTEGER NOT NULL, position INTEGER NOT NULL,
    scope TEXT NOT NULL, key TEXT NOT NULL, attributes TEXT NOT NULL, evidence,
    PRIMARY KEY (set_number, position)
) WITHOUT ROWID;
CREATE TABLE events (
    set_number INTEGER NOT NULL, position INTEGER NOT NULL,
    source NOT NULL, line INTEGER,
    time INTEGER, time_nanoseconds INTEGER, time_certainty TEXT,
    until INTEGER, until_nanoseconds INTEGER, until_certainty TEXT,
    actor TEXT NOT NULL, detail TEXT NOT NULL, action TEXT NOT NULL, subjects TEXT NOT NULL,
    forgeable INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (set_number, position)
) WITHOUT ROWID;
CREATE TABLE gaps (
    set_number INTEGER NOT NULL, position INTEGER NOT NULL,
    path NOT NULL, stage TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (set_number, position)
) WITHOUT ROWID;
CREATE TABLE omissions (
    set_number INTEGER NOT NULL, position INTEGER NOT NULL,
    path NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (set_number, position)
) WITHOUT ROWID;
CREATE TABLE hard_links (
    set_number INTEGER NOT NULL, position INTEGER NOT NULL,
    paths TEXT NOT NULL,
    PRIMARY KEY (set_number, position)
) WITHOUT ROWID;

CREATE TABLE manifests (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL, target TEXT NOT NULL,
    scanned_at INTEGER NOT NULL, scanned_at_nanoseconds INTEGER NOT NULL,
    scanner TEXT NOT NULL,
    -- The top directory's own entry, as a directory of one.
    root BLOB NOT NULL,
    entries INTEGER NOT NULL, bytes INTEGER NOT NULL, shipped BLOB,
    packages BLOB NOT NULL, facts BLOB NOT NULL, events BLOB NOT NULL,
    gaps BLOB NOT NULL, omissions BLOB NOT NULL, hard_links BLOB NOT NULL,
    not_carried TEXT NOT NULL
);
CREATE INDEX manifests_by_name ON manifests (name, scanned_at, scanned_at_nanoseconds, number);

CREATE TABLE baselines (
    name TEXT PRIMARY KEY, manifest BLOB NOT NULL, applies_to TEXT NOT NULL,
    set_at INTEGER NOT NULL, set_at_nanoseconds INTEGER NOT NULL, note TEXT,
    checksum INTEGER NOT NULL
) WITHOUT ROWID;

-- What makes the next scan faster; `manifest` is the one without which the entry is void. The
-- bytes lie apart under their BLAKE3, so that naming another manifest does not write them again.
CREATE TABLE caches (
    kind TEXT NOT NULL, key BLOB NOT NULL, manifest BLOB, blob BLOB NOT NULL,
    checksum INTEGER NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE cache_blobs (id BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;

-- For people.
CREATE VIEW manifest AS
SELECT lower(hex(m.id)) AS id, m.name, m.target,
    strftime('%Y-%m-%dT%H:%M:%S', m.scanned_at, 'unixepoch')
        || CASE m.scanned_at_nanoseconds WHEN 0 THEN ''
           ELSE '.' || printf('%09d', m.scanned_at_nanoseconds) END || 'Z' AS scanned_at,
    m.scanner, m.entries, m.bytes,
    p.rows AS packages, f.rows AS facts, e.rows AS events, g.rows AS gaps
FROM manifests m
LEFT JOIN sets p ON p.kind = 'packages' AND p.id = m.packages
LEFT JOIN sets f ON f.kind = 'facts' AND f.id = m.facts
LEFT JOIN sets e ON e.kind = 'events' AND e.id = m.events
LEFT JOIN sets g ON g.kind = 'gaps' AND g.id = m.gaps
ORDER BY m.name, m.scanned_at, m.scanned_at_nanoseconds, m.number;

CREATE VIEW baseline AS
SELECT name, lower(hex(manifest)) AS manifest, applies_to,
    strftime('%Y-%m-%dT%H:%M:%SZ', set_at, 'unixepoch') AS set_at, note
FROM baselines ORDER BY name;

CREATE VIEW manifest_packages AS
SELECT lower(hex(m.id)) AS manifest, m.name AS manifest_name,
    r.manager, r.name, r.architecture, r.instance, r.version, r.state,
    strftime('%Y-%m-%dT%H:%M:%SZ', r.installed_at, 'unixepoch') AS installed_at,
    r.origin, r.purl, r.evidence, r.details
FROM manifests m
JOIN sets s ON s.kind = 'packages' AND s.id = m.packages
JOIN packages r ON r.set_number = s.number;

CREATE VIEW manifest_facts AS
SELECT lower(hex(m.id)) AS manifest, m.name AS manifest_name,
    r.scope, r.key, r.attributes, r.evidence
FROM manifests m
JOIN sets s ON s.kind = 'facts' AND s.id = m.facts
JOIN facts r ON r.set_number = s.number;

CREATE VIEW manifest_events AS
SELECT lower(hex(m.id)) AS manifest, m.name AS manifest_name,
    strftime('%Y-%m-%dT%H:%M:%SZ', r.time, 'unixepoch') AS time, r.time_certainty,
    strftime('%Y-%m-%dT%H:%M:%SZ', r.until, 'unixepoch') AS until, r.until_certainty,
    r.actor, r.detail, r.action, r.subjects, r.forgeable, r.source, r.line, r.text
FROM manifests m
JOIN sets s ON s.kind = 'events' AND s.id = m.events
JOIN events r ON r.set_number = s.number;

CREATE VIEW manifest_gaps AS
SELECT lower(hex(m.id)) AS manifest, m.name AS manifest_name, r.path, r.stage, r.reason
FROM manifests m
JOIN sets s ON s.kind = 'gaps' AND s.id = m.gaps
JOIN gaps r ON r.set_number = s.number;

CREATE VIEW manifest_omissions AS
SELECT lower(hex(m.id)) AS manifest, m.name AS manifest_name, r.path, r.reason
FROM manifests m
JOIN sets s ON s.kind = 'omissions' AND s.id = m.omissions
JOIN omissions r ON r.set_number = s.number;

CREATE VIEW manifest_hard_links AS
SELECT lower(hex(m.id)) AS manifest, m.name AS manifest_name, r.position AS link_group,
    one.value AS path
FROM manifests m
JOIN sets s ON s.kind = 'hard_links' AND s.id = m.hard_links
JOIN hard_links r ON r.set_number = s.number
JOIN json_each(r.paths) one;
