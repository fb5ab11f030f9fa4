import Type, { type Static } from "typebox";
import type { Clock } from "../../host/clock.ts";
import type { Disk } from "../../host/disk.ts";
import type { Random } from "../../host/random.ts";
import { isProject } from "../../protocol/names.ts";
import { schemaDecoder } from "../../protocol/schema-check.ts";
import { apiKeyId, hashApiKey, isHashOf, makeApiKey } from "./api-key.ts";
import type { Caller, KeyRing, Right } from "./caller.ts";

/** Holds the first admin key and nothing else, for programs of the same owner on the same machine. */
export const API_KEY_FILE = "api-key";
const KEYS_FILE = "keys.json";
/** Project of the key made at first start. */
export const PROJECT_DEFAULT = "default";
/** Boards read a little file of keys at every start; more wants a directory service. */
export const KEYS_MAX = 10_000;

const KeyRecordSchema = Type.Object({
  id: Type.String(),
  project: Type.String(),
  rights: Type.Array(Type.Enum(["read", "write", "on-behalf", "admin"])),
  src: Type.Optional(Type.String()),
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
  /** UTC ms. */
  readonly created: number;
}

export interface NewKey {
  readonly project: string;
  readonly rights: readonly Right[];
  /** Binds the key to one source. */
  readonly src?: string;
}

/** `keys.json` cannot be read. Starting without it would lock everyone out, or let the first caller in. */
export class KeysUnreadable extends Error {
  readonly code = "KEYS_UNREADABLE";
  constructor(reason: string, options?: ErrorOptions) {
    super(`${KEYS_FILE} cannot be read: ${reason}`, options);
    this.name = "KeysUnreadable";
  }
}

/** API keys, hashed at rest. */
export class KeyStore implements KeyRing {
  readonly #disk: Disk;
  readonly #random: Random;
  readonly #clock: Clock;
  #records = new Map<string, KeyRecord>();

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
      this.#records = new Map(parseKeysFile(content).map((record) => [record.id, record]));
      return {};
    }
    const { record, key } = this.#make({ project: PROJECT_DEFAULT, rights: ["admin"] });
    // The key first: cut off between the two, the next start makes another; the other way round nobody would have one.
    await this.#disk.replace(API_KEY_FILE, Buffer.from(key, "utf8"), 0o600);
    await this.#save(new Map([[record.id, record]]));
    return { newAdminKey: key };
  }

  async verify(key: string): Promise<Caller | undefined> {
    const record = this.#records.get(apiKeyId(key) ?? "");
    if (record === undefined || !isHashOf(Buffer.from(record.hash, "hex"), key)) return undefined;
    const { id, project, rights, src } = record;
    return { keyId: id, project, rights: new Set(rights), ...(src !== undefined && { src }) };
  }

  /** Durable when it resolves. The key itself is told this once. */
  async add(newKey: NewKey): Promise<{ readonly id: string; readonly key: string }> {
    if (!isProject(newKey.project)) throw new RangeError(`not a project name: ${newKey.project}`);
    if (this.#records.size >= KEYS_MAX) throw new RangeError(`more than ${KEYS_MAX} keys`);
    const { record, key } = this.#make(newKey);
    await this.#save(new Map([...this.#records, [record.id, record]]));
    return { id: record.id, key };
  }

  /** Says whether there was such a key. */
  async revoke(id: string): Promise<boolean> {
    if (!this.#records.has(id)) return false;
    await this.#save(new Map([...this.#records].filter(([other]) => other !== id)));
    return true;
  }

  list(): readonly KeyInfo[] {
    return [...this.#records.values()].map(({ hash: _, src, ...info }) => ({
      ...info,
      ...(src !== undefined && { src }),
    }));
  }

  #make({ project, rights, src }: NewKey): { readonly record: KeyRecord; readonly key: string } {
    const { id, key } = makeApiKey(this.#random);
    if (this.#records.has(id)) return this.#make({ project, rights, ...(src !== undefined && { src }) });
    const hash = Buffer.from(hashApiKey(key)).toString("hex");
    const created = this.#clock.wallMs();
    return {
      record: { id, project, rights: [...rights], ...(src !== undefined && { src }), hash, created },
      key,
    };
  }

  async #save(records: Map<string, KeyRecord>): Promise<void> {
    const text = `${JSON.stringify({ version: 1, keys: [...records.values()] }, undefined, 2)}\n`;
    await this.#disk.replace(KEYS_FILE, Buffer.from(text, "utf8"), 0o600);
    this.#records = records;
  }
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
