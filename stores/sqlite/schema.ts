import type { DatabaseSync } from 'node:sqlite'

/** Marks a file as a Portcullis store in its header ("PTCS"), so that another program's database is recognized. */
export const applicationId = 0x50544353
export const schemaVersion = 9

const notesTable = `
  CREATE TABLE notes (
    topic TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (topic, name)
  ) STRICT, WITHOUT ROWID;`

const usedTable = `
  CREATE TABLE used (
    name TEXT NOT NULL PRIMARY KEY,
    expires_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX used_by_expiry ON used (expires_at_ms);`

const providerSidsTable = `
  CREATE TABLE provider_sids (
    provider_key TEXT NOT NULL,
    sid TEXT NOT NULL,
    PRIMARY KEY (provider_key, sid)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX provider_sids_by_sid ON provider_sids (sid);
  CREATE TRIGGER sessions_leave_providers AFTER DELETE ON sessions WHEN OLD.provider IS NOT NULL BEGIN
    DELETE FROM provider_sids WHERE sid = OLD.sid;
  END;`

/**
 * - `sessions` keeps its rowid: its rows are too long for a tree in order of a random key.
 * - `subjects` has a row only for a subject that was cut; every other subject has the floor's epoch.
 * - `log` is the list of revocations too: the partial indexes find an entry that is in force.
 * AUTOINCREMENT, because a number must never be assigned twice.
 * - `used` has the names that were used once (lib/once.ts).
 * - `cut_at_ms` is the instant of the cut that set the epoch `cut_epoch`. Another epoch was set by a process of an earlier version.
 * - `provider_sids` finds sessions by the key of their session at a provider. A trigger removes its rows, because processes of earlier
 * versions remove sessions too.
 * - `state.purged_through` is the highest entry ever purged: a follower whose position is lower has missed entries.
 */
const schema = `
  CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    floor_epoch INTEGER NOT NULL,
    purged_through INTEGER NOT NULL,
    cut_epoch INTEGER,
    cut_at_ms INTEGER
  ) STRICT;
  INSERT INTO state (id, floor_epoch, purged_through) VALUES (1, 1, 0);

  CREATE TABLE sessions (
    sid TEXT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    subject_key TEXT NOT NULL,
    username TEXT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('session', 'tokens')),
    epoch INTEGER NOT NULL,
    secret_hash TEXT,
    created_at_ms INTEGER NOT NULL,
    auth_time_ms INTEGER NOT NULL,
    last_used_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    acr TEXT NOT NULL,
    amr TEXT NOT NULL,
    scopes TEXT NOT NULL,
    audiences TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    ip TEXT NOT NULL,
    generation INTEGER,
    received INTEGER,
    rotated_at_ms INTEGER,
    hold_until_ms INTEGER,
    closed TEXT,
    refreshes INTEGER NOT NULL DEFAULT 0,
    refreshes_until_ms INTEGER NOT NULL DEFAULT 0,
    device_key TEXT,
    device_bound_at_ms INTEGER,
    device_renewals INTEGER,
    origin TEXT,
    step_up TEXT,
    data TEXT,
    provider TEXT
  ) STRICT;
  CREATE INDEX sessions_by_subject ON sessions (subject_key, created_at_ms, sid);
  CREATE INDEX sessions_by_expiry ON sessions (expires_at_ms);

  CREATE TABLE subjects (
    subject_key TEXT NOT NULL PRIMARY KEY,
    epoch INTEGER NOT NULL,
    except_sid TEXT,
    purge_at_ms INTEGER NOT NULL,
    cut_epoch INTEGER,
    cut_at_ms INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX subjects_by_purge ON subjects (purge_at_ms);

  CREATE TABLE log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('sid', 'jti', 'subject', 'all', 'changed', 'keys')),
    sid TEXT,
    token_key TEXT,
    subject_key TEXT,
    below_epoch INTEGER,
    except_sid TEXT,
    expires_at_ms INTEGER,
    purge_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX log_by_sid ON log (sid) WHERE kind = 'sid';
  CREATE INDEX log_by_token ON log (token_key) WHERE kind = 'jti';
  CREATE INDEX log_by_subject ON log (subject_key) WHERE kind = 'subject';
  CREATE INDEX log_by_purge ON log (purge_at_ms);

  CREATE TABLE keys (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    text TEXT NOT NULL
  ) STRICT;
${notesTable}
${usedTable}
${providerSidsTable}

  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${schemaVersion};
`

/**
 * The statements that upgrade one version to the next. A process that already has the file open continues, because nothing that it
 * knows changes.
 */
const upgrades: Readonly<Record<number, string>> = {
  3: `
    ALTER TABLE sessions ADD COLUMN device_key TEXT;
    ALTER TABLE sessions ADD COLUMN device_bound_at_ms INTEGER;
    ALTER TABLE sessions ADD COLUMN device_renewals INTEGER;
    PRAGMA user_version = 4`,
  4: `
    ALTER TABLE sessions ADD COLUMN origin TEXT;
    PRAGMA user_version = 5`,
  5: `
    ALTER TABLE sessions ADD COLUMN step_up TEXT;
    PRAGMA user_version = 6`,
  6: `${notesTable}
    PRAGMA user_version = 7`,
  7: `${usedTable}
    ALTER TABLE sessions ADD COLUMN data TEXT;
    PRAGMA user_version = 8`,
  8: `
    ALTER TABLE sessions ADD COLUMN provider TEXT;
    ALTER TABLE subjects ADD COLUMN cut_epoch INTEGER;
    ALTER TABLE subjects ADD COLUMN cut_at_ms INTEGER;
    ALTER TABLE state ADD COLUMN cut_epoch INTEGER;
    ALTER TABLE state ADD COLUMN cut_at_ms INTEGER;
    ${providerSidsTable}
    PRAGMA user_version = 9`
}

export function isUpgradable (version: number): boolean {
  return version in upgrades
}

/** Identifies a database file by its header only. */
export function identify (db: DatabaseSync): 'empty' | 'ours' | 'upgradable' | 'older' | 'newer' | 'foreign' {
  const { id, version, tables } = db.prepare(`
    SELECT application_id AS id, user_version AS version, (SELECT count(*) FROM sqlite_schema) AS tables
    FROM pragma_application_id, pragma_user_version`).get() as Record<'id' | 'version' | 'tables', number>
  if (id === applicationId && isUpgradable(version)) return 'upgradable'
  if (id === applicationId) return version === schemaVersion ? 'ours' : version > schemaVersion ? 'newer' : 'older'
  return id === 0 && version === 0 && tables === 0 ? 'empty' : 'foreign'
}

/** Creates the tables of an empty database, or upgrades an older one; several processes may do so at once. */
export function createSchema (db: DatabaseSync): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    if (identify(db) === 'empty') db.exec(schema)
    while (identify(db) === 'upgradable') db.exec(upgrades[versionOf(db)]!)
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

function versionOf (db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
}
