-- An entry's origin may be 4, too: the guard.

-- What may not authenticate for a while, or open anything.
CREATE TABLE suspension (
    kind    INTEGER NOT NULL,                   -- 0 account, 1 flow, 2 an account of which only the hash is known
    name    TEXT NOT NULL,                      -- an account; udp:5060; sixteen hexadecimal digits
    source  BLOB NOT NULL,                      -- from where, as in `entry`; empty: from anywhere, which is a lock
    since   INTEGER NOT NULL,                   -- wall
    boot    INTEGER REFERENCES boot (id),       -- of `until`; null for ever
    until   INTEGER,                            -- kernel; null for ever
    who     TEXT NOT NULL,
    rule    TEXT NOT NULL,
    count   INTEGER NOT NULL,                   -- what the rule counted, and in how many seconds
    seconds INTEGER NOT NULL,
    strict  INTEGER NOT NULL,                   -- 1: of a lock that touches also those for whom the account works
    PRIMARY KEY (kind, name, source),
    CHECK (length(source) IN (0, 17)),
    CHECK ((boot IS NULL) = (until IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX suspension_by_end ON suspension (boot, until) WHERE boot IS NOT NULL;

-- Sources that have authenticated.
CREATE TABLE known (
    source BLOB PRIMARY KEY,                    -- as in `entry`
    phones INTEGER NOT NULL,
    since  INTEGER NOT NULL,                    -- wall
    boot   INTEGER REFERENCES boot (id),        -- of `until`; null for ever
    until  INTEGER,                             -- kernel; null for ever
    rule   TEXT NOT NULL,
    CHECK (length(source) = 17),
    CHECK ((boot IS NULL) = (until IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX known_by_end ON known (boot, until) WHERE boot IS NOT NULL;

-- Whom each rule hit by mistake.
CREATE TABLE ledger (
    rule  TEXT PRIMARY KEY,
    state BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What the guard has counted, for its next start.
CREATE TABLE memory (
    kind    INTEGER NOT NULL,                   -- 0 an account that has worked at a source; what failed: 1 there, 2 of an account
    source  BLOB NOT NULL,                      -- as in `entry`; empty: none
    account TEXT NOT NULL,                      -- empty: none
    boot    INTEGER NOT NULL REFERENCES boot (id),
    until   INTEGER NOT NULL,                   -- kernel
    state   TEXT NOT NULL,                      -- JSON; of kinds 1 and 2 with times of that boot
    PRIMARY KEY (kind, source, account),
    CHECK (length(source) IN (0, 17))
) STRICT, WITHOUT ROWID;

CREATE INDEX memory_by_end ON memory (boot, until);

-- The audit trail is kept from its end: so many lines of the guard, which strangers cause, and so many of all others.
DROP TRIGGER audit_keeps_all;

CREATE INDEX audit_of_guard ON audit (id) WHERE who = 'guard';
CREATE INDEX audit_of_others ON audit (id) WHERE who <> 'guard';

-- What is no longer kept of it.
CREATE TABLE audit_gone (
    guard INTEGER PRIMARY KEY,                  -- 1: lines of the guard; 0: all others
    keeps INTEGER NOT NULL,                     -- so many lines stay
    upto  INTEGER NOT NULL,                     -- the last one that is gone
    at    INTEGER NOT NULL,                     -- wall: when that was written
    lines INTEGER NOT NULL
) STRICT;

INSERT INTO audit_gone VALUES (0, 100000, 0, 0, 0), (1, 20000, 0, 0, 0);

CREATE TRIGGER audit_keeps_the_latest BEFORE DELETE ON audit
WHEN old.id > (SELECT upto FROM audit_gone WHERE guard = (old.who = 'guard')) BEGIN
    SELECT RAISE(ABORT, 'the audit trail is never changed');
END;

CREATE TRIGGER audit_gone_is_old BEFORE UPDATE ON audit_gone
WHEN new.keeps <> old.keeps OR new.upto <> old.upto AND new.upto > coalesce(CASE new.guard
        WHEN 1 THEN (SELECT id FROM audit WHERE who = 'guard' ORDER BY id DESC LIMIT 1 OFFSET old.keeps)
        ELSE (SELECT id FROM audit WHERE who <> 'guard' ORDER BY id DESC LIMIT 1 OFFSET old.keeps)
    END, 0) BEGIN
    SELECT RAISE(ABORT, 'the audit trail is never changed');
END;
