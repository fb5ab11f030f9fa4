/*
 * The peer: better-sqlite3 with a row an entry, WAL, synchronous FULL, an index on what makes an entry unique, a transaction a batch.
 * node rows --module PATH [--corpus FILE] [--entries N] [--sources N] [--batch N] [--dir DIR]
 */
import { mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { EntryPool, readLines } from "./corpus.ts";
import { cpuMicroseconds, diskBytes } from "./measure.ts";

interface Database {
  pragma(text: string): unknown;
  exec(text: string): void;
  prepare(text: string): { run(...values: unknown[]): unknown };
  transaction<Args extends unknown[]>(action: (...args: Args) => void): (...args: Args) => void;
  close(): void;
}

const { values } = parseArgs({
  options: {
    module: { type: "string" },
    corpus: { type: "string" },
    entries: { type: "string", default: "300000" },
    sources: { type: "string", default: "1000" },
    batch: { type: "string", default: "1000" },
    dir: { type: "string", default: join(tmpdir(), "boardlog-bench-rows") },
  },
});
const open = createRequire(import.meta.url)(values.module ?? "better-sqlite3") as new (
  path: string,
) => Database;
const entryCount = Number(values.entries);
const batchEntries = Number(values.batch);

rmSync(values.dir, { recursive: true, force: true });
mkdirSync(values.dir, { recursive: true });
const database = new open(join(values.dir, "rows.db"));
database.pragma("journal_mode = WAL");
database.pragma("synchronous = FULL");
database.exec(`CREATE TABLE entry (id INTEGER PRIMARY KEY, src TEXT, stream TEXT, msg TEXT, timestamp INTEGER, level TEXT, boot TEXT,
  seq INTEGER, received INTEGER, clock TEXT); CREATE UNIQUE INDEX one ON entry (src, boot, seq)`);
const insert = database.prepare(
  "INSERT OR IGNORE INTO entry (src, stream, msg, timestamp, level, boot, seq, received, clock) VALUES (?,?,?,?,?,?,?,?,?)",
);
const pool = new EntryPool(readLines(values.corpus), Number(values.sources), batchEntries);
const append = database.transaction((entries: ReturnType<EntryPool["batch"]>) => {
  for (const entry of entries) {
    const { src, stream, msg, timestamp, level, boot, seq, received, clock } = entry;
    insert.run(src, stream, msg, timestamp, level ?? null, boot, seq, received, clock);
  }
});
let cpu = 0;
for (let at = 0; at < entryCount; at += batchEntries) {
  const entries = pool.batch();
  const before = process.cpuUsage();
  append(entries);
  cpu += cpuMicroseconds(before);
}
const before = process.cpuUsage();
database.close();
cpu += cpuMicroseconds(before);
console.log(
  JSON.stringify({
    cpuMicrosecondsSealed: cpu / entryCount,
    bytesSealed: diskBytes(values.dir) / entryCount,
  }),
);
rmSync(values.dir, { recursive: true, force: true });
