import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { PortPattern } from "./port-pattern.ts";

export interface FoundPort {
  /** The same whenever this port is found again, whatever its device is called then. */
  readonly key: string;
  /** What to open now. */
  readonly path: string;
}

/** Looks for serial ports, as the kernel shows them. */
export class PortFinder {
  readonly #devices: string;
  readonly #system: string;

  /** @param roots where devices and sysfs are; others in tests. */
  constructor(roots: { readonly devices?: string; readonly system?: string } = {}) {
    this.#devices = roots.devices ?? "/dev";
    this.#system = roots.system ?? "/sys";
  }

  /** Every port that is there now, in the order of its key. */
  async find(pattern: PortPattern): Promise<readonly FoundPort[]> {
    const found = await this.#find(pattern);
    return [...found].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async #find(pattern: PortPattern): Promise<readonly FoundPort[]> {
    switch (pattern.type) {
      case "path":
        return [{ key: pattern.text, path: pattern.text }];
      case "glob": {
        const names = (await list(pattern.folder)).filter((name) => pattern.name.test(name));
        return names.map((name) => ({ key: join(pattern.folder, name), path: join(pattern.folder, name) }));
      }
      case "usb": {
        const found: FoundPort[] = [];
        for (const name of await list(join(this.#system, "class/tty"))) {
          const key = await this.#usbKey(name, pattern);
          if (key !== undefined) found.push({ key, path: join(this.#devices, name) });
        }
        return found;
      }
    }
  }

  /** The adapter's serial number, or the socket it is in: either stays when the device gets another name. */
  async #usbKey(name: string, wanted: Extract<PortPattern, { type: "usb" }>): Promise<string | undefined> {
    let folder: string;
    try {
      folder = await realpath(join(this.#system, "class/tty", name, "device"));
    } catch {
      return undefined; // A terminal without a device.
    }
    // The device of a tty is an interface of the USB device, or the adapter's port below it.
    let interfaceName = "";
    for (let depth = 0; depth < 4; depth++) {
      if (interfaceName === "" && /:\d+\.\d+$/.test(basename(folder))) interfaceName = basename(folder);
      const vendor = await attribute(folder, "idVendor");
      if (vendor !== undefined) {
        const serialNumber = await attribute(folder, "serial");
        const isWanted =
          vendor === wanted.vendor &&
          (await attribute(folder, "idProduct")) === wanted.product &&
          (wanted.serialNumber === undefined || serialNumber === wanted.serialNumber);
        if (!isWanted) return undefined;
        const number = /:(\d+\.\d+)$/.exec(interfaceName)?.[1] ?? "0";
        return `usb:${wanted.vendor}:${wanted.product}/${serialNumber ?? basename(folder)}-${number}`;
      }
      folder = dirname(folder);
    }
    return undefined;
  }
}

async function attribute(folder: string, name: string): Promise<string | undefined> {
  try {
    return (await readFile(join(folder, name), "utf8")).trim();
  } catch {
    return undefined;
  }
}

async function list(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch {
    return []; // No adapter has an id, or there is no such folder yet.
  }
}
