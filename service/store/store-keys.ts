/*
 * Keys of the store's engines. Numbers are big-endian, so that byte order is their order: a source's or project's number
 * 4 bytes, a position 7.
 *
 * engine `head`   m <name>                          one of the store's own records
 *                 j <project>                       project: its number
 *                 s <project number> <src>          source: its number and totals
 *                 k <source number> <boot>          mark and open gaps of a boot
 *                 g <spool>                         position of a gateway's spool (`spool-positions.ts`)
 *                 d <source number> <what>          up to where entries of a source were deleted (`deletions.ts`)
 * engine `log-N`  b <first position> <count: 4>     one committed transaction, not yet sealed
 *                 g <spool>                         the same position, newer
 * engine `seg-N`  c <source number> <last position> chunk: where in the pack sealed entries of one source are
 *                 p <project number> <last position> where in it is which source has which position of a project
 *
 * Chunks are found by their last position: the first key not below (source, after + 1) is the chunk a page starts in.
 */
const POSITION_BYTES = 7;
const NUMBER_BYTES = 4;

const Prefix = {
  Meta: 0x6d,
  Project: 0x6a,
  Source: 0x73,
  Mark: 0x6b,
  Spool: 0x67,
  Batch: 0x62,
  Chunk: 0x63,
  ProjectIndex: 0x70,
  Deletion: 0x64,
} as const;

export interface KeyRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

export function metaKey(name: string): Buffer {
  return named(Prefix.Meta, undefined, name);
}

export function projectKey(project: string): Buffer {
  return named(Prefix.Project, undefined, project);
}

export function sourceKey(projectNumber: number, src: string): Buffer {
  return named(Prefix.Source, projectNumber, src);
}

export function markKey(sourceNumber: number, boot: string): Buffer {
  return named(Prefix.Mark, sourceNumber, boot);
}

export function deletionKey(sourceNumber: number, what: string): Buffer {
  return named(Prefix.Deletion, sourceNumber, what);
}

export function deletionKeys(): KeyRange {
  return { start: Buffer.of(Prefix.Deletion), end: Buffer.of(Prefix.Deletion + 1) };
}

/** The source's number in a key that begins with one, and the name behind it. */
export function namedOfKey(key: Uint8Array): { readonly number: number; readonly name: string } {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.length);
  return { number: bytes.readUInt32BE(1), name: bytes.toString("utf8", 1 + NUMBER_BYTES) };
}

export function spoolKey(name: string): Buffer {
  return named(Prefix.Spool, undefined, name);
}

export function spoolKeys(): KeyRange {
  return { start: Buffer.of(Prefix.Spool), end: Buffer.of(Prefix.Spool + 1) };
}

/** The name in a key of `spoolKeys`, or of `projectKeysAll`. */
export function nameOfKey(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("utf8", 1);
}

export function batchKey(firstPosition: number, entryCount: number): Buffer {
  const key = Buffer.allocUnsafe(1 + POSITION_BYTES + NUMBER_BYTES);
  key[0] = Prefix.Batch;
  putPosition(key, 1, firstPosition);
  key.writeUInt32BE(entryCount, 1 + POSITION_BYTES);
  return key;
}

export function chunkKey(sourceNumber: number, lastPosition: number): Buffer {
  return numbered(Prefix.Chunk, sourceNumber, lastPosition);
}

export function projectIndexKey(projectNumber: number, lastPosition: number): Buffer {
  return numbered(Prefix.ProjectIndex, projectNumber, lastPosition);
}

/** Every source of a project. */
export function sourceKeys(projectNumber: number): KeyRange {
  return { start: named(Prefix.Source, projectNumber, ""), end: named(Prefix.Source, projectNumber + 1, "") };
}

export function batchKeys(): KeyRange {
  return { start: Buffer.of(Prefix.Batch), end: Buffer.of(Prefix.Batch + 1) };
}

/** Chunks of a source whose last position is from `first` to `last`. */
export function chunkKeys(sourceNumber: number, first: number, last: number): KeyRange {
  return { start: chunkKey(sourceNumber, first), end: chunkKey(sourceNumber, last + 1) };
}

export function projectIndexKeys(projectNumber: number, first: number, last: number): KeyRange {
  return { start: projectIndexKey(projectNumber, first), end: projectIndexKey(projectNumber, last + 1) };
}

/** Every chunk of an engine. */
export function chunkKeysAll(): KeyRange {
  return { start: Buffer.of(Prefix.Chunk), end: Buffer.of(Prefix.Chunk + 1) };
}

/** Every row of an engine's project index. */
export function projectIndexKeysAll(): KeyRange {
  return { start: Buffer.of(Prefix.ProjectIndex), end: Buffer.of(Prefix.ProjectIndex + 1) };
}

/** Every source of every project. */
export function sourceKeysAll(): KeyRange {
  return { start: Buffer.of(Prefix.Source), end: Buffer.of(Prefix.Source + 1) };
}

export function projectKeysAll(): KeyRange {
  return { start: Buffer.of(Prefix.Project), end: Buffer.of(Prefix.Project + 1) };
}

/** Marks of all boots of a source. */
export function markKeys(sourceNumber: number): KeyRange {
  return { start: markKey(sourceNumber, ""), end: markKey(sourceNumber + 1, "") };
}

export function markKeysAll(): KeyRange {
  return { start: Buffer.of(Prefix.Mark), end: Buffer.of(Prefix.Mark + 1) };
}

/** Every key of an engine. */
export function everyKey(): KeyRange {
  return { start: Buffer.of(0), end: Buffer.of(0xff) };
}

/** True for a key that the head may hold. */
export function isHeadKey(key: Uint8Array): boolean {
  const { Meta, Project, Source, Mark, Spool, Deletion } = Prefix;
  return [Meta, Project, Source, Mark, Spool, Deletion].some((prefix) => prefix === key[0]);
}

export function isBatchKey(key: Uint8Array): boolean {
  return key[0] === Prefix.Batch;
}

export function isLogKey(key: Uint8Array): boolean {
  return key[0] === Prefix.Batch || key[0] === Prefix.Spool;
}

/** True for a key that a segment may hold. */
export function isSegmentKey(key: Uint8Array): boolean {
  return key[0] === Prefix.Chunk || key[0] === Prefix.ProjectIndex;
}

/** The number in a key that begins with one. */
export function numberOfKey(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, key.length).readUInt32BE(1);
}

export function batchOfKey(key: Uint8Array): { readonly firstPosition: number; readonly entryCount: number } {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.length);
  return { firstPosition: positionAt(bytes, 1), entryCount: bytes.readUInt32BE(1 + POSITION_BYTES) };
}

/** The last position of a chunk or of a row of the project index. */
export function lastPositionOfKey(key: Uint8Array): number {
  return positionAt(Buffer.from(key.buffer, key.byteOffset, key.length), 1 + NUMBER_BYTES);
}

function named(prefix: number, number: number | undefined, name: string): Buffer {
  const nameAt = number === undefined ? 1 : 1 + NUMBER_BYTES;
  const key = Buffer.allocUnsafe(nameAt + Buffer.byteLength(name));
  key[0] = prefix;
  if (number !== undefined) key.writeUInt32BE(number, 1);
  key.write(name, nameAt);
  return key;
}

function numbered(prefix: number, number: number, position: number): Buffer {
  const key = Buffer.allocUnsafe(1 + NUMBER_BYTES + POSITION_BYTES);
  key[0] = prefix;
  key.writeUInt32BE(number, 1);
  putPosition(key, 1 + NUMBER_BYTES, position);
  return key;
}

function putPosition(key: Buffer, at: number, position: number): void {
  key.writeUIntBE(Math.floor(position / 0x100000000), at, 3);
  key.writeUInt32BE(position % 0x100000000, at + 3);
}

function positionAt(bytes: Buffer, at: number): number {
  return bytes.readUIntBE(at, 3) * 0x100000000 + bytes.readUInt32BE(at + 3);
}
