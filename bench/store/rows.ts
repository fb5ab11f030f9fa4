/*
 * The peer: better-sqlite3 with a row an entry, WAL, synchronous FULL, an index on what makes an entry unique, a transaction a batch.
 * With --pages, then pages of 100 after random places, by an index that is made for them when all is stored, and not counted.
 * node rows --module PATH [--corpus FILE] [--entries N] [--sources N] [--batch N] [--pages N] [--dir DIR]
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
  prepare(text: string): { run(...values: unknown[]): unknown; all(...values: unknown[]): unknown[] };
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
    pages: { type: "string", default: "0" },
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
database.pragma("wal_checkpoint(TRUNCATE)");
cpu += cpuMicroseconds(before);
const bytes = diskBytes(values.dir);
const cpuMicrosecondsPage = pageCost(Number(values.pages));
database.close();
console.log(
  JSON.stringify({
    cpuMicrosecondsSealed: cpu / entryCount,
    bytesSealed: bytes / entryCount,
    cpuMicrosecondsPage,
  }),
);
rmSync(values.dir, { recursive: true, force: true });

function pageCost(count: number): number | undefined {
  if (count === 0) return undefined;
  database.exec("CREATE INDEX page ON entry (src, id)");
  const page = database.prepare("SELECT * FROM entry WHERE src = ? AND id > ? ORDER BY id LIMIT 100");
  const sourceCount = Number(values.sources);
  const next = (): unknown[] => {
    const source = Math.floor(Math.random() * sourceCount);
    return page.all(`dev-${String(source).padStart(4, "0")}`, Math.floor(Math.random() * entryCount * 0.9));
  };
  for (let index = 0; index < count / 3; index++) next();
  const start = process.cpuUsage();
  for (let index = 0; index < count; index++) next();
  return cpuMicroseconds(start) / count;
}
