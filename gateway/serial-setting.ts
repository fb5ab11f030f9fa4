import { bad, type Decoded, good } from "../protocol/decoded.ts";
import { type PortPattern, parsePortPattern } from "./port-pattern.ts";

/** How the wire says "stop" (docs/gateway.md). */
export const FlowControl = { None: "none", RtsCts: "rts-cts", XonXoff: "xon-xoff" } as const;
export type FlowControl = (typeof FlowControl)[keyof typeof FlowControl];

/** One serial port, or all that a pattern finds, as somebody configured it. */
export interface SerialSetting {
  readonly pattern: PortPattern;
  readonly baud: number;
  /** Source of everything on it (docs/protocol.md 7.8). */
  readonly source?: string;
  readonly flowControl?: FlowControl;
  /** One pair of wires both ways (RS-485): what is sent comes back, and two must not speak at once. */
  readonly isHalfDuplex?: boolean;
  /** The board's console is at the other end: a JavaScript prompt (docs/protocol.md 7.9). */
  readonly isConsole?: boolean;
}

export const BAUD_DEFAULT = 115_200;
const BAUD_MIN = 50;
/** What the fastest USB adapters do. */
const BAUD_MAX = 12_000_000;
/** A colon before anything but digits belongs to the path (`/dev/serial/by-path/...-usb-0:1:1.0-port0`). */
const WITH_BAUD = /^(usb:[0-9a-f]{4}:[0-9a-f]{4}(?:\/[^:]*)?|(?!usb:).*):([0-9]+)$/is;

const CONSOLE_END = ":console";

/** Reads `PATH[:BAUD][:console]`, where PATH is a device, a glob, or `usb:VENDOR:PRODUCT[/SERIAL]`. */
export function parseSerialSetting(text: string): Decoded<SerialSetting> {
  const isConsole = text.endsWith(CONSOLE_END);
  const wire = isConsole ? text.slice(0, -CONSOLE_END.length) : text;
  const [, path = wire, digits] = WITH_BAUD.exec(wire) ?? [];
  const baud = digits === undefined ? BAUD_DEFAULT : Number(digits);
  if (baud < BAUD_MIN || baud > BAUD_MAX) {
    return bad(`serial: ${digits} baud is not between ${BAUD_MIN} and ${BAUD_MAX}`);
  }
  const pattern = parsePortPattern(path);
  if (!pattern.ok) return bad(`serial: ${pattern.problem.text}`);
  return good({ pattern: pattern.value, baud, ...(isConsole && { isConsole }) });
}
