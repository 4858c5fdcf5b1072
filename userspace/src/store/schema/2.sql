-- Settings made by hand, which a restart must not undo.
CREATE TABLE switch (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    since INTEGER NOT NULL,                     -- wall
    who   TEXT NOT NULL,
    boot  INTEGER REFERENCES boot (id),         -- of `until`; null if it stays
    until INTEGER,                              -- kernel: when it is taken back; null if it stays
    CHECK ((boot IS NULL) = (until IS NULL))
) STRICT, WITHOUT ROWID;
