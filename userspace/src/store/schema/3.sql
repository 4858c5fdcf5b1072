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
