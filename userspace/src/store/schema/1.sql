PRAGMA application_id = 0x53495057; -- SIPW

-- Times of the kernel are nanoseconds of its monotonic clock and mean nothing without their boot; times of the
-- wall are milliseconds since 1970. Both are 64 bits without a sign, so the largest look negative here.

-- Each boot at the moments when it was first and last seen, on both clocks: that joins their kernel times.
CREATE TABLE boot (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    first_kernel INTEGER NOT NULL,
    first_wall   INTEGER NOT NULL,
    last_kernel  INTEGER NOT NULL,
    last_wall    INTEGER NOT NULL
) STRICT;

CREATE TABLE entry (
    net      BLOB PRIMARY KEY,                  -- 16 bytes of the address, 1 of the length; IPv4 is ::ffff:0:0/96
    standing INTEGER NOT NULL,                  -- 0 trusted, 1 banned
    since    INTEGER NOT NULL,                  -- wall
    boot     INTEGER REFERENCES boot (id),      -- of `until`; null for ever
    until    INTEGER,                           -- kernel; null for ever
    origin   INTEGER NOT NULL,                  -- 0 configuration, 1 hand, 2 import, 3 kernel
    note     TEXT,
    evidence TEXT,
    CHECK (length(net) = 17),
    CHECK ((boot IS NULL) = (until IS NULL))
) STRICT, WITHOUT ROWID;

-- What runs out, in the order in which it does.
CREATE INDEX entry_by_end ON entry (boot, until, standing) WHERE boot IS NOT NULL;

-- How many entries there are, those that have run out included: to count a million takes too long.
CREATE TABLE tally (
    standing INTEGER PRIMARY KEY,
    entries  INTEGER NOT NULL
) STRICT;

INSERT INTO tally VALUES (0, 0), (1, 0);

CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN
    UPDATE tally SET entries = entries + 1 WHERE standing = new.standing;
END;

CREATE TRIGGER entry_removed AFTER DELETE ON entry BEGIN
    UPDATE tally SET entries = entries - 1 WHERE standing = old.standing;
END;

CREATE TRIGGER entry_changed AFTER UPDATE OF standing ON entry WHEN old.standing <> new.standing BEGIN
    UPDATE tally SET entries = entries - 1 WHERE standing = old.standing;
    UPDATE tally SET entries = entries + 1 WHERE standing = new.standing;
END;

-- Who did what, when. Lines are added and never changed.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,                    -- wall
    who    TEXT NOT NULL,
    what   TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_stays_as_it_is BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit trail is never changed');
END;

CREATE TRIGGER audit_keeps_all BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit trail is never changed');
END;

-- INSERT OR REPLACE deletes without the trigger above.
CREATE TRIGGER audit_replaces_nothing BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = new.id) BEGIN
    SELECT RAISE(ABORT, 'the audit trail is never changed');
END;
