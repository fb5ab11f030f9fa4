import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { writeOut } from "./output.ts";

export interface PortsOptions {
  readonly json?: boolean;
}

export interface PortFound {
  /** What a board's cable is: `/dev/ttyACM0`. */
  readonly path: string;
  /** A name that stays when the cable moves to another socket or the order changes; absent where there is none. */
  readonly stablePath?: string;
  /** Maker and product, as the cable says them. */
  readonly name: string;
}

/** Serial devices that are a board's cable, or a Pi's own pins. */
const DEVICE = /^tty(?:USB|ACM|AMA)\d+$|^serial\d$/;
/** `usb-Maker_Product_Serial-if00-port0`. */
const BY_ID = /^(?:usb|pci)-(.*?)(?:-if\d+)?(?:-port\d+)?$/;

/** Lists the serial ports of this machine. @param root `/dev`, or a folder that stands for it. */
export async function findPorts(root = "/dev"): Promise<readonly PortFound[]> {
  const byId = join(root, "serial/by-id");
  const stable = new Map<string, string>();
  for (const name of await list(byId)) stable.set(await realpath(join(byId, name)).catch(() => ""), name);
  const ports: PortFound[] = [];
  for (const name of (await list(root)).filter((one) => DEVICE.test(one))) {
    const path = join(root, name);
    const id = stable.get(await realpath(path).catch(() => path));
    const words = id === undefined ? undefined : BY_ID.exec(id)?.[1]?.replaceAll("_", " ");
    ports.push({
      path,
      ...(id !== undefined && { stablePath: join(byId, id) }),
      name: words ?? (/^tty(?:USB|ACM)/.test(name) ? "USB serial port" : "the computer's own serial pins"),
    });
  }
  return ports.sort((a, b) => a.path.localeCompare(b.path, "en", { numeric: true }));
}

export async function runPorts({ json = false }: PortsOptions): Promise<void> {
  const ports = await findPorts();
  if (json) {
    await writeOut(ports.map((one) => `${JSON.stringify(one)}\n`).join(""));
  } else if (ports.length === 0) {
    await writeOut(
      "No serial port is there. Is the board plugged in, with a cable that carries data? In a container, pass the device through.\n",
    );
  } else {
    const width = Math.max(...ports.map((one) => one.path.length));
    await writeOut(
      ports
        .map(
          ({ path, name, stablePath }) =>
            `${path.padEnd(width)}  ${name}${stablePath ? `\n${" ".repeat(width)}  ${stablePath}` : ""}\n`,
        )
        .join(""),
    );
  }
}

/** Names in a folder; none where it is not there. */
async function list(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return [];
  }
}
