import type { StoredEntry } from "../protocol/entry.ts";
import { type LogStore, StoreUnavailable, UnknownToken } from "../service/store/log-store.ts";
import type { FollowerRecord, TailRecord } from "./evidence.ts";
import type { ProcessLife } from "./process-life.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { PROJECTS } from "./service-keys.ts";
import type { VirtualTime } from "./virtual-time.ts";

const LIST_LIMITS = [1, 2, 3, 7, 50, 1000] as const;
const PAGE_LIMITS = [5, 37, 1000] as const;

/** By project, in the order of ids. */
export type Listing = ReadonlyMap<string, readonly StoredEntry[]>;

/** Those who read all the while: live, and by following tokens through every crash. */
export class Readers {
  readonly tails: TailRecord[] = [];
  readonly followers: FollowerRecord[] = [];
  readonly refusedTokens: string[] = [];
  readonly #time: VirtualTime;
  readonly #store: () => LogStore | undefined;

  constructor(time: VirtualTime, store: () => LogStore | undefined) {
    this.#time = time;
    this.#store = store;
  }

  /** A store has come up: somebody listens to each project as long as it lives. */
  listen(store: LogStore, life: ProcessLife): void {
    for (const project of PROJECTS) {
      const tail: TailRecord = { project, after: undefined, entries: [], isLast: false };
      for (const before of this.tails) if (before.project === project) before.isLast = false;
      tail.isLast = true;
      this.tails.push(tail);
      store.subscribe(project, ({ stored }) => {
        if (life.isAlive) tail.entries.push(...stored);
      });
      store.listProject({ project, limit: 1, newest: true }).then(
        ([newest]) => {
          tail.after = newest?.id ?? "";
        },
        () => {}, // It crashed meanwhile; nobody knows where this tail began.
      );
    }
  }

  /** Follows a source, or its whole project, from now on. */
  startFollower(project: string, src: string | undefined, random: SeededRandom): void {
    const follower: FollowerRecord = { project, src, entries: [] };
    this.followers.push(follower);
    const again = (): void => {
      this.#time.after(random.between(200, 3000), () => void this.#follow(follower, random).then(again));
    };
    again();
  }

  /** All followers read to the end. */
  async finish(random: SeededRandom): Promise<void> {
    for (const follower of this.followers) while (await this.#follow(follower, random));
  }

  /** @returns whether there may be more. */
  async #follow(follower: FollowerRecord, random: SeededRandom): Promise<boolean> {
    const { project, src, entries } = follower;
    const store = this.#store();
    if (store === undefined) return false;
    const after = entries.at(-1)?.id;
    const query = { project, limit: random.pick(LIST_LIMITS), ...(after !== undefined && { after }) };
    try {
      const page = await (src === undefined ? store.listProject(query) : store.list({ ...query, src }));
      entries.push(...page);
      return page.length === query.limit;
    } catch (error) {
      if (error instanceof UnknownToken) {
        this.refusedTokens.push(`the token ${after} of ${src ?? project} was refused`);
      } else if (!(error instanceof StoreUnavailable)) throw error;
      return false;
    }
  }
}

export async function listAll(store: LogStore, random: SeededRandom): Promise<Listing> {
  const listed = new Map<string, readonly StoredEntry[]>();
  for (const project of PROJECTS) listed.set(project, await listPages(store, project, undefined, random));
  return listed;
}

/** Everything of a source, or of a project, page by page. */
export async function listPages(
  store: LogStore,
  project: string,
  src: string | undefined,
  random: SeededRandom,
): Promise<readonly StoredEntry[]> {
  const entries: StoredEntry[] = [];
  const limit = random.pick(PAGE_LIMITS);
  for (;;) {
    const after = entries.at(-1)?.id;
    const query = { project, limit, ...(after !== undefined && { after }) };
    const page = await (src === undefined ? store.listProject(query) : store.list({ ...query, src }));
    entries.push(...page);
    if (page.length < limit) return entries;
  }
}
