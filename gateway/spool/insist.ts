/** Each read of an opening is tried this often: what a disk fails to give once must not count as damaged, nor keep a gateway down. */
const READ_TRIES_MAX = 6;

/** Reads again where the disk fails for a moment. @throws what the disk throws at last. */
export async function insist<Value>(read: () => Promise<Value>): Promise<Value> {
  for (let triesLeft = READ_TRIES_MAX - 1; ; triesLeft--) {
    try {
      return await read();
    } catch (error) {
      if (triesLeft === 0) throw error;
    }
  }
}
