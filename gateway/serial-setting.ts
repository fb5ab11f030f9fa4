import { bad, type Decoded, good } from "../protocol/decoded.ts";

/** One serial port as somebody configured it. */
export interface SerialSetting {
  /** Device node, best a stable one: `/dev/serial/by-id/...`. */
  readonly path: string;
  readonly baud: number;
  /** Source of everything on it (docs/protocol.md 7.8). */
  readonly source?: string;
}

export const BAUD_DEFAULT = 115_200;
const BAUD_MIN = 50;
/** What the fastest USB adapters do. */
const BAUD_MAX = 12_000_000;

/** Reads `PATH[:BAUD]`. A colon before anything but digits belongs to the path (`/dev/serial/by-path/...-usb-0:1:1.0-port0`). */
export function parseSerialSetting(text: string): Decoded<SerialSetting> {
  const [, path = text, digits] = /^(.*):([0-9]+)$/.exec(text) ?? [];
  const baud = digits === undefined ? BAUD_DEFAULT : Number(digits);
  if (path === "") return bad("serial: a path is missing, as in /dev/ttyUSB0:115200");
  if (path.includes("\0")) return bad("serial: a path must not hold a NUL");
  if (baud < BAUD_MIN || baud > BAUD_MAX) {
    return bad(`serial: ${digits} baud is not between ${BAUD_MIN} and ${BAUD_MAX}`);
  }
  return good({ path, baud });
}
