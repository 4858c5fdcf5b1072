PRAGMA application_id = 0x53495042; -- SIPB

-- Phones, and the contacts that the PBX may have of them.
CREATE TABLE binding (
    number    INTEGER PRIMARY KEY,
    account   TEXT NOT NULL,
    device    BLOB NOT NULL,                    -- its instance, or its Call-ID
    contact   BLOB,                             -- its own Contact, at the address of its network
    contacts  TEXT NOT NULL,                    -- URIs at the PBX, each in a line; the latest is the last
    until     INTEGER NOT NULL                  -- seconds since 1970
) STRICT;
