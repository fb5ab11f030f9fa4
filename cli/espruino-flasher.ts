import { crc32 } from "node:zlib";
import type { EspruinoPrompt } from "./espruino-prompt.ts";

/** A line with this much, as base64, fits the smallest input buffer (512 bytes on ESP8266) whole. */
const CHUNK_BYTES = 192;

const LOOKING = "looking for an Espruino";

export interface BoardFound {
  readonly version: string;
  readonly board: string;
}

/** The board has no room, or holds something else than what was written. */
export class FlashRefused extends Error {}

/** Finds an Espruino at the prompt, and stops the app that runs there. */
export async function greet(prompt: EspruinoPrompt): Promise<BoardFound> {
  // One Ctrl-C alone: two in a row end the interpreter's Linux port, and it throws away what of the next line is there
  // already, so that nothing that counts is sent before the prompt has answered.
  await prompt.interrupt();
  await prompt.askAgain("1", LOOKING);
  // Its app may talk all the time; a reset of the interpreter leaves what is in flash alone.
  await prompt.tell("reset()");
  const found = await prompt.askAgain("[process.env.VERSION,process.env.BOARD]", LOOKING);
  const [version, board] = Array.isArray(found) ? found : [];
  if (typeof version !== "string" || typeof board !== "string")
    throw new FlashRefused("what answers there is no Espruino");
  return { version, board };
}

/** Writes a file to the board's Storage, piece by piece, and reads its checksum back. */
export async function writeStorage(
  prompt: EspruinoPrompt,
  name: string,
  text: string,
  onProgress: (doneBytes: number, totalBytes: number) => void,
): Promise<void> {
  const bytes = Buffer.from(text, "latin1");
  const file = JSON.stringify(name);
  await prompt.ask(`(require("Storage").erase(${file}),1)`, `erasing ${name}`);
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const piece = bytes.subarray(at, at + CHUNK_BYTES);
    const size = at === 0 ? `,0,${bytes.length}` : `,${at}`;
    const isWritten = await prompt.ask(
      `require("Storage").write(${file},atob("${piece.toString("base64")}")${size})`,
      `writing ${name}, ${at} of ${bytes.length} bytes`,
    );
    if (isWritten !== true) {
      const free = await prompt.ask('require("Storage").getFree()', "asking for the free space");
      throw new FlashRefused(
        `the board's Storage took no more at ${at} of ${bytes.length} bytes (${free} free): delete files there, or require("Storage").compact()`,
      );
    }
    onProgress(Math.min(at + CHUNK_BYTES, bytes.length), bytes.length);
  }
  const sum = await prompt.ask(
    `(function(s){return s?[s.length,E.CRC32(s)]:0})(require("Storage").read(${file}))`,
    `verifying ${name}`,
  );
  const [length, checksum] = Array.isArray(sum) ? sum : [];
  if (length !== bytes.length || checksum !== crc32(bytes))
    throw new FlashRefused(
      `what the board holds is not what was written: ${length} bytes with CRC-32 ${checksum}, not ${bytes.length} with ${crc32(bytes)}; flash again`,
    );
}
