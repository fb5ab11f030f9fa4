import Type, { type Static } from "typebox";
import type { Clock } from "../../host/clock.ts";
import type { Disk } from "../../host/disk.ts";
import { OneByOne } from "../../host/one-by-one.ts";
import type { Random } from "../../host/random.ts";
import { isProject, PROJECT_DEFAULT } from "../../protocol/names.ts";
import { schemaDecoder } from "../../protocol/schema-check.ts";
import { apiKeyId, hashApiKey, isHashOf, makeApiKey } from "./api-key.ts";
import { type Caller, type KeyRing, mayDo, RIGHTS, type Right } from "./caller.ts";
import { checkToken, issuerOf } from "./token.ts";

/** Holds the first admin key and nothing else, for programs of the same owner on the same machine. */
export const API_KEY_FILE = "api-key";
/** Hashed keys; another process may write it. */
export const KEYS_FILE = "keys.json";
/** 100,000 boards and those who read them, in a file of some 25 MB that is read whole; more wants a directory service. */
export const KEYS_MAX = 120_000;

const KeyRecordSchema = Type.Object({
  id: Type.String(),
  project: Type.String(),
  rights: Type.Array(Type.Enum(["read", "write", "on-behalf", "admin"])),
  src: Type.Optional(Type.String()),
  /** Commands a second. */
  rate: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  /** SHA-256 of the whole key, in hex. */
  hash: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  /** UTC ms. */
  created: Type.Integer(),
});
const KeysFileSchema = Type.Object({ version: Type.Literal(1), keys: Type.Array(KeyRecordSchema) });
type KeyRecord = Static<typeof KeyRecordSchema>;
const decodeKeysFile = schemaDecoder(KeysFileSchema);

/** What may be told of a key. */
export interface KeyInfo {
  readonly id: string;
  readonly project: string;
  readonly rights: readonly Right[];
  readonly src?: string;
  readonly rate?: number;
  /** UTC ms. */
  readonly created: number;
}

export interface NewKey {
  readonly project: string;
  readonly rights: readonly Right[];
  /** Binds the key to one source: a board's own credential. */
  readonly src?: string;
  /** Commands a second; the service's own setting where absent. */
  readonly rate?: number;
}

/** `keys.json` cannot be read. Starting without it would lock everyone out, or let the first caller in. */
export class KeysUnreadable extends Error {
  readonly code = "KEYS_UNREADABLE";
  constructor(reason: string, options?: ErrorOptions) {
    super(`${KEYS_FILE} cannot be read: ${reason}`, options);
    this.name = "KeysUnreadable";
  }
}

/** API keys, hashed at rest, in a file that another process may change at any time. */
export class KeyStore implements KeyRing {
  readonly #disk: Disk;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  /** The hash that each caller was admitted by. */
  readonly #admitted = new WeakMap<Caller, string>();
  /** Whoever shows the key itself, and its hash. A key that is changed has another record. */
  readonly #whole = new WeakMap<KeyRecord, { readonly caller: Caller; readonly hash: Uint8Array }>();
  #records = new Map<string, KeyRecord>();
  /** The file as last read or written. */
  #content: Uint8Array | undefined;
  /** Of the file as last read (`Disk.stamp`). */
  #stamp: string | undefined;
  /** Changes go one after the other. */
  readonly #changes = new OneByOne();

  constructor({ disk, random, clock }: { disk: Disk; random: Random; clock: Clock }) {
    this.#disk = disk;
    this.#random = random;
    this.#clock = clock;
  }

  /**
   * Reads the keys. On the first start makes an admin key, writes it into `api-key` and gives it back, to be shown once.
   * @throws KeysUnreadable
   */
  async start(): Promise<{ readonly newAdminKey?: string }> {
    const content = await this.#disk.read(KEYS_FILE);
    if (content !== undefined) {
      this.#take(content);
      return {};
    }
    const { record, key } = this.#make({ project: PROJECT_DEFAULT, rights: ["admin"] });
    // The key first: cut off between the two, the next start makes another; the other way round nobody would have one.
    await this.#disk.replace(API_KEY_FILE, Buffer.from(key, "utf8"), 0o600);
    await this.#save(new Map([[record.id, record]]));
    return { newAdminKey: key };
  }

  /**
   * Makes an admin key for each of the projects that has none at all, in a file beside `api-key`.
   * @returns what was made
   */
  async ensureProjects(
    projects: readonly string[],
  ): Promise<readonly { readonly project: string; readonly file: string }[]> {
    const made: { readonly project: string; readonly file: string }[] = [];
    for (const project of projects) {
      if (this.list().some((key) => key.project === project)) continue;
      const { record, key } = this.#make({ project, rights: ["admin"] });
      const file = `${API_KEY_FILE}-${project}`;
      await this.#changes.run(async () => {
        await this.#disk.replace(file, Buffer.from(key, "utf8"), 0o600);
        await this.#save(new Map([...this.#records, [record.id, record]]));
      });
      made.push({ project, file });
    }
    return made;
  }

  /** @throws KeysUnreadable, and what the disk throws; the keys that stood go on standing. */
  async reload(): Promise<void> {
    await this.#changes.run(() => this.#reload());
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async verify(key: string): Promise<Caller | undefined> {
    const record = this.#records.get(apiKeyId(key) ?? "");
    if (record === undefined) return undefined;
    const { hash, caller } = this.#wholeOf(record);
    return isHashOf(hash, key) ? caller : undefined;
  }

  async verifyToken(token: string): Promise<Caller | undefined> {
    const record = this.#records.get(issuerOf(token) ?? "");
    if (record === undefined) return undefined;
    const { hash, caller: whole } = this.#wholeOf(record);
    const claims = await checkToken(token, hash, this.#clock.wallMs());
    if (claims === undefined) return undefined;
    const { rights, expiresMs } = claims;
    if (rights === undefined && expiresMs === undefined) return whole;
    return this.#admit(record, {
      ...(expiresMs !== undefined && { expiresMs }),
      ...(rights !== undefined && { rights: new Set(rights.filter((right) => mayDo(whole, right))) }),
    });
  }

  isStillGood(caller: Caller): boolean {
    if (caller.expiresMs !== undefined && this.#clock.wallMs() >= caller.expiresMs) return false;
    const hash = this.#admitted.get(caller);
    return hash !== undefined && hash === this.#records.get(caller.keyId)?.hash;
  }

  /** Durable when it resolves. The key itself is told this once. */
  async add(newKey: NewKey): Promise<{ readonly id: string; readonly key: string }> {
    const [made] = await this.addAll([newKey]);
    if (made === undefined) throw new Error("one key was asked for");
    return made;
  }

  /** All of them or none, written once however many they are. @returns them in the same order */
  async addAll(
    newKeys: readonly NewKey[],
  ): Promise<readonly { readonly id: string; readonly key: string }[]> {
    const wrong = newKeys.find(({ project }) => !isProject(project));
    if (wrong !== undefined) throw new RangeError(`not a project name: ${wrong.project}`);
    return await this.#changes.run(async () => {
      await this.#reload();
      const records = new Map(this.#records);
      if (records.size + newKeys.length > KEYS_MAX) throw new RangeError(`more than ${KEYS_MAX} keys`);
      const made = newKeys.map((newKey) => {
        const { record, key } = this.#make(newKey, records);
        records.set(record.id, record);
        return { id: record.id, key };
      });
      await this.#save(records);
      return made;
    });
  }

  /** Says whether there was such a key. */
  async revoke(id: string): Promise<boolean> {
    return await this.#changes.run(async () => {
      await this.#reload();
      if (!this.#records.has(id)) return false;
      await this.#save(new Map([...this.#records].filter(([other]) => other !== id)));
      return true;
    });
  }

  /** Gives the key a new secret, told this once; the old one is good no more. Undefined where there is no such key. */
  async rotate(id: string): Promise<string | undefined> {
    return await this.#changes.run(async () => {
      await this.#reload();
      const old = this.#records.get(id);
      if (old === undefined) return undefined;
      const { key, hash } = this.#makeSecret(id);
      const isOwners = apiKeyId(String(Buffer.from((await this.#disk.read(API_KEY_FILE)) ?? ""))) === id;
      await this.#save(new Map([...this.#records, [id, { ...old, hash }]]));
      if (isOwners) await this.#disk.replace(API_KEY_FILE, Buffer.from(key, "utf8"), 0o600);
      return key;
    });
  }

  list(): readonly KeyInfo[] {
    return [...this.#records.values()].map(({ hash: _, src, rate, ...info }) => ({
      ...info,
      ...(src !== undefined && { src }),
      ...(rate !== undefined && { rate }),
    }));
  }

  #wholeOf(record: KeyRecord): { readonly caller: Caller; readonly hash: Uint8Array } {
    let whole = this.#whole.get(record);
    if (whole === undefined) {
      whole = { caller: this.#admit(record, {}), hash: Buffer.from(record.hash, "hex") };
      this.#whole.set(record, whole);
    }
    return whole;
  }

  #admit(record: KeyRecord, { rights, expiresMs }: Pick<Partial<Caller>, "rights" | "expiresMs">): Caller {
    const { id, project, src, rate, hash } = record;
    const caller: Caller = {
      keyId: id,
      project,
      rights: rights ?? new Set(RIGHTS.filter((right) => record.rights.includes(right))),
      ...(src !== undefined && { src }),
      ...(rate !== undefined && { ratePerSecond: rate }),
      ...(expiresMs !== undefined && { expiresMs }),
    };
    this.#admitted.set(caller, hash);
    return caller;
  }

  /** @param others whose ids are taken */
  #make(
    newKey: NewKey,
    others: ReadonlyMap<string, KeyRecord> = this.#records,
  ): { readonly record: KeyRecord; readonly key: string } {
    const { project, rights, src, rate } = newKey;
    const { id } = makeApiKey(this.#random);
    if (others.has(id)) return this.#make(newKey, others);
    const { key, hash } = this.#makeSecret(id);
    const created = this.#clock.wallMs();
    const record: KeyRecord = {
      id,
      project,
      rights: [...rights],
      ...(src !== undefined && { src }),
      ...(rate !== undefined && { rate }),
      hash,
      created,
    };
    return { record, key };
  }

  #makeSecret(id: string): { readonly key: string; readonly hash: string } {
    const { key } = makeApiKey(this.#random, id);
    return { key, hash: Buffer.from(hashApiKey(key)).toString("hex") };
  }

  async #reload(): Promise<void> {
    // Asked every second, and the file may hold 100,000 keys.
    const stamp = await this.#disk.stamp?.(KEYS_FILE);
    if (stamp !== undefined && stamp === this.#stamp) return;
    const content = await this.#disk.read(KEYS_FILE);
    // A file that has gone was not emptied by us: what stood goes on standing.
    if (content === undefined) return;
    if (this.#content === undefined || !isEqual(content, this.#content)) {
      this.#take(content);
      this.#tell();
    }
    // It is of before the reading, so that what changed meanwhile is seen the next time.
    this.#stamp = stamp;
  }

  #take(content: Uint8Array): void {
    this.#records = new Map(parseKeysFile(content).map((record) => [record.id, record]));
    this.#content = content;
  }

  async #save(records: Map<string, KeyRecord>): Promise<void> {
    // A key a line: half the bytes of a field a line, and still to be read and compared by eye.
    const lines = Array.from(records.values(), (record) => JSON.stringify(record));
    const text = `{"version":1,"keys":[\n${lines.join(",\n")}\n]}\n`;
    const content = Buffer.from(text, "utf8");
    await this.#disk.replace(KEYS_FILE, content, 0o600);
    this.#stamp = undefined;
    this.#records = records;
    this.#content = content;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

function parseKeysFile(content: Uint8Array): readonly KeyRecord[] {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(content).toString("utf8"));
  } catch (cause) {
    throw new KeysUnreadable("not JSON", { cause });
  }
  const decoded = decodeKeysFile(value);
  if (!decoded.ok) throw new KeysUnreadable(decoded.problem.text);
  return decoded.value.keys;
}
