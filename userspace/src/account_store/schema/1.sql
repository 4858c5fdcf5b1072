PRAGMA application_id = 0x53495041; -- SIPA

-- The accounts of the edge. An account has a password, or HA1s of one realm.
CREATE TABLE account (
    name        TEXT PRIMARY KEY,
    password    TEXT,
    realm       TEXT,                           -- of the HA1s
    md5         TEXT,                           -- HA1s, in hexadecimal digits
    sha256      TEXT,
    sha512_256  TEXT,
    status      TEXT NOT NULL,                  -- normal, locked, disabled
    expires     INTEGER,                        -- seconds since 1970; null: never
    allowed     TEXT NOT NULL,                  -- prefixes with blanks between them; none: from anywhere
    CHECK ((password IS NULL) <> (realm IS NULL)),
    CHECK ((realm IS NULL) = (coalesce(md5, sha256, sha512_256) IS NULL))
) STRICT, WITHOUT ROWID;
