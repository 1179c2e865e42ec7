"""The tables of the journal's database, and how an older database becomes a current one.

`application_id` says that a SQLite file is a journal of ours, `user_version` how many of `MIGRATIONS` it has had.
A migration is never changed once released; a new one is added at the end.
"""

from __future__ import annotations

__all__ = ["APPLICATION_ID", "MIGRATIONS"]

APPLICATION_ID = 0x49484A4C
"""`IHJL` in the file's header (https://sqlite.org/fileformat2.html, offset 68)."""

# A record is one call of the writer: its entries stand together in `body`, a JSON array of arrays. The records of all
# runs stand in the order they were made, so that a commit of many runs touches few pages; the index finds those of one.
_FIRST = """
CREATE TABLE run (
    number INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    parent_id TEXT,
    flow TEXT NOT NULL,
    version TEXT NOT NULL,
    event_source TEXT,
    event_id TEXT,
    copied_run TEXT,
    copied_seq INTEGER,
    status TEXT NOT NULL,
    started_ns INTEGER NOT NULL,
    finished_ns INTEGER,
    end_state TEXT,
    error TEXT,
    steps INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    lease_until_ns INTEGER,
    wake_ns INTEGER,
    event_type TEXT,
    event_filter TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX run_of_event ON run (flow, event_source, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX run_of_flow ON run (flow, number) WHERE parent_id IS NULL;
CREATE INDEX run_of_parent ON run (parent_id, number) WHERE parent_id IS NOT NULL;
CREATE INDEX run_open ON run (status, number) WHERE status IN ('running', 'waiting');
CREATE INDEX run_awaiting_event ON run (event_type) WHERE event_filter IS NOT NULL;
CREATE INDEX run_unlucky ON run (status, number) WHERE status IN ('failed', 'cancelled');

CREATE TABLE record (
    number INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run (number),
    seq INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX record_of_run ON record (run);

CREATE VIEW entry AS
SELECT
    run.run_id,
    record.number AS record,
    each.key AS position,
    json_extract(each.value, '$[0]') AS kind,
    each.value AS body
FROM run JOIN record ON record.run = run.number, json_each(record.body) AS each;

CREATE VIEW step AS
SELECT
    run_id,
    json_extract(body, '$[1]') AS seq,
    json_extract(body, '$[2]') AS state,
    json_extract(body, '$[3]') AS type,
    json_extract(body, '$[4]') AS attempt,
    json_extract(body, '$[5]') AS status,
    json_extract(body, '$[6]') AS next,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(body, '$[7]') / 1e9, 'unixepoch') AS started_at,
    (json_extract(body, '$[8]') - json_extract(body, '$[7]')) / 1e6 AS duration_ms,
    json_extract(body, '$[9]') AS changes,
    json_extract(body, '$[10]') AS error
FROM entry WHERE kind = 'finished';

CREATE VIEW log AS
SELECT
    run_id,
    json_extract(body, '$[1]') AS seq,
    json_extract(body, '$[2]') AS level,
    json_extract(body, '$[3]') AS message,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(body, '$[4]') / 1e9, 'unixepoch') AS at
FROM entry WHERE kind = 'log';
"""

# What the journal service needs: the mark of the request that wrote a record or took a hold, by which a request that is
# repeated after a lost answer is known; how often a run's worker died; and what is due without reading every open run.
_SECOND = """
ALTER TABLE record ADD COLUMN mark INTEGER;
ALTER TABLE run ADD COLUMN hold INTEGER;
ALTER TABLE run ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;
CREATE INDEX run_wake ON run (wake_ns) WHERE wake_ns IS NOT NULL;
CREATE INDEX run_claimed ON run (owner) WHERE status = 'waiting' AND owner IS NOT NULL;
"""

# Which events woke which runs, so that an event that comes again finds them. `flow` is that of the run at the top, of
# which `run` may be a child: deliveries are made to flows.
_THIRD = """
CREATE TABLE awakening (
    flow TEXT NOT NULL,
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES run (number),
    PRIMARY KEY (flow, source, event_id, run)
) WITHOUT ROWID;
CREATE INDEX awakening_of_run ON awakening (run);
"""

# What flows remember from run to run, and what they spend: sums per flow and day (UTC), so that a budget is looked up
# in a moment, and what was spent is known when the runs themselves are gone.
_FOURTH = """
CREATE TABLE memory (
    flow TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    value TEXT NOT NULL,
    written_ns INTEGER NOT NULL,
    mark INTEGER
);
CREATE UNIQUE INDEX memory_of_flow ON memory (flow, key);

CREATE TABLE spent (
    flow TEXT NOT NULL,
    day TEXT NOT NULL,
    name TEXT NOT NULL,
    amount REAL NOT NULL,
    PRIMARY KEY (flow, day, name)
) WITHOUT ROWID;

CREATE VIEW usage AS
SELECT
    run_id,
    json_extract(body, '$[1]') AS seq,
    json_extract(body, '$[2]') AS attempt,
    each.key AS name,
    each.value AS amount,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(body, '$[4]') / 1e9, 'unixepoch') AS at,
    json_extract(body, '$[5]') AS child_id
FROM entry, json_each(json_extract(body, '$[3]')) AS each WHERE kind = 'used';
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _SECOND, _THIRD, _FOURTH)
"""Scripts of statements ended by `;`, in order; each is made whole or not at all."""
