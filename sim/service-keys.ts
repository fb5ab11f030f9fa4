import { KeyStore } from "../service/auth/key-store.ts";
import { FaultyDisk } from "./faulty-disk.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { VirtualTime } from "./virtual-time.ts";

export const PROJECTS = ["default", "garden"] as const;
export type ProjectName = (typeof PROJECTS)[number];

/** What somebody may show who has no right to send as a gateway of a project. */
export interface BadKey {
  readonly what: string;
  readonly key: string;
}

/** The service's keys, as the production code keeps them, and keys that must open nothing. */
export interface ServiceKeys {
  readonly keyRing: KeyStore;
  /** By project. */
  readonly gatewayKeys: Readonly<Record<ProjectName, string>>;
  /** By project. */
  readonly badKeys: Readonly<Record<ProjectName, readonly BadKey[]>>;
}

export async function makeServiceKeys(time: VirtualTime, random: SeededRandom): Promise<ServiceKeys> {
  const keyRing = new KeyStore({ disk: new FaultyDisk(random), random, clock: time });
  await keyRing.start();
  const add = async (project: string, rights: readonly ("read" | "write" | "on-behalf")[], src?: string) =>
    keyRing.add({ project, rights, ...(src !== undefined && { src }) });
  const gatewayKeys = {
    default: (await add("default", ["write", "on-behalf"])).key,
    garden: (await add("garden", ["write", "on-behalf"])).key,
  };
  const badOf = async (project: ProjectName, other: ProjectName): Promise<readonly BadKey[]> => {
    const revoked = await add(project, ["write", "on-behalf"]);
    await keyRing.revoke(revoked.id);
    const changed = await add(project, ["write", "on-behalf"]);
    await keyRing.rotate(changed.id);
    return [
      { what: "no key", key: "" },
      { what: "a guessed key", key: `blk_00000000_${"A".repeat(64)}` },
      { what: "a key with another secret", key: gatewayKeys[project].replace(/.$/, "!") },
      { what: "another project's key", key: gatewayKeys[other] },
      { what: "a key that may only read", key: (await add(project, ["read"])).key },
      { what: "a board's own key", key: (await add(project, ["write", "on-behalf"], "board-0")).key },
      { what: "a key that may log as itself only", key: (await add(project, ["write"])).key },
      { what: "a revoked key", key: revoked.key },
      { what: "a key that was changed", key: changed.key },
    ];
  };
  return {
    keyRing,
    gatewayKeys,
    badKeys: { default: await badOf("default", "garden"), garden: await badOf("garden", "default") },
  };
}
