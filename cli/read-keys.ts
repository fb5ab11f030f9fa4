import { systemClock } from "../host/system-clock.ts";
import { SystemDisk } from "../host/system-disk.ts";
import { systemRandom } from "../host/system-random.ts";
import { KeyStore, KeysUnreadable } from "../service/auth/key-store.ts";
import { UserError } from "./user-error.ts";

/** The keys in a folder; none where it has no file of them. */
export async function readKeys(folder: string): Promise<KeyStore> {
  const keys = new KeyStore({ disk: new SystemDisk(folder), random: systemRandom, clock: systemClock });
  try {
    await keys.reload();
  } catch (error) {
    if (error instanceof KeysUnreadable) throw new UserError(`${folder}: ${error.message}`, 1);
    const words = error instanceof Error ? error.message : String(error);
    throw new UserError(`${folder}: the keys cannot be read: ${words}`, 1);
  }
  return keys;
}
