import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { Gateway } from "../../gateway/gateway.ts";
import { PortFinder } from "../../gateway/port-finder.ts";
import { parseSerialSetting, type SerialSetting } from "../../gateway/serial-setting.ts";
import { openPty, type Pty } from "../../host/pty.ts";
import { logLine } from "../support/frames.ts";
import { realWorld, until } from "../support/gateway-world.ts";

/** A machine whose serial adapters are ptys: its `/dev` and `/sys` are folders. */
class Machine {
  readonly root = mkdtempSync(join(tmpdir(), "boardlog-machine-"));
  readonly finder = new PortFinder({ devices: join(this.root, "dev"), system: join(this.root, "sys") });
  readonly #plugged = new Map<string, { readonly pty: Pty; readonly links: readonly string[] }>();

  constructor() {
    for (const folder of ["dev/serial/by-id", "sys/class/tty"])
      mkdirSync(join(this.root, folder), { recursive: true });
  }

  get byId(): string {
    return join(this.root, "dev/serial/by-id");
  }

  /** Plugs a board in; the kernel calls its port `name`. */
  plug(
    name: string,
    usb: {
      readonly vendor: string;
      readonly product: string;
      readonly serial?: string;
      readonly socket: string;
    },
  ): Pty {
    const pty = openPty();
    const device = join(this.root, "sys/devices/usb1", usb.socket);
    const port = join(device, `${usb.socket}:1.0`, name);
    mkdirSync(port, { recursive: true });
    const texts = { idVendor: usb.vendor, idProduct: usb.product, serial: usb.serial };
    for (const [file, text] of Object.entries(texts)) {
      if (text !== undefined) writeFileSync(join(device, file), `${text}\n`);
    }
    const links = [
      link(pty.path, join(this.root, "dev", name)),
      link(pty.path, join(this.byId, `usb-Maker_Board_${usb.serial ?? usb.socket}-if00-port0`)),
      link(port, join(this.root, "sys/class/tty", name, "device")),
    ];
    this.#plugged.set(name, { pty, links });
    return pty;
  }

  async unplug(name: string): Promise<void> {
    const { pty, links } = this.#plugged.get(name) ?? { links: [] };
    for (const path of links) unlinkSync(path);
    await pty?.close();
    this.#plugged.delete(name);
  }

  async dispose(): Promise<void> {
    for (const name of [...this.#plugged.keys()]) await this.unplug(name);
    rmSync(this.root, { recursive: true });
  }
}

function link(target: string, path: string): string {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
  return path;
}

function settingOf(text: string, more: Partial<SerialSetting> = {}): SerialSetting {
  const parsed = parseSerialSetting(text);
  if (!parsed.ok) throw new Error(parsed.problem.text);
  return { ...parsed.value, ...more };
}

const FTDI = { vendor: "0403", product: "6001" };
const frame = (boot: string, id: number, src: string): string =>
  logLine({ boot, src, ack: true, first: id }, [{ id, msg: `${src} ${id}` }]);

describe("ports that a pattern finds, over real ptys", () => {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function started(make: (machine: Machine) => readonly SerialSetting[]) {
    const machine = new Machine();
    ends.push(() => machine.dispose());
    const world = realWorld();
    const gateway = new Gateway(
      { ...world, portFinder: machine.finder },
      { project: "default", serial: make(machine) },
    );
    await gateway.start();
    ends.push(() => gateway.stop());
    const openings = (): number => world.log.lines.filter(({ text }) => text === "serial port open").length;
    return { ...world, machine, openings };
  }

  test("by USB vendor and product: plugged in later, and found again under another name", async () => {
    const { machine, uplink, openings } = await started(() => [settingOf("usb:0403:6001")]);
    machine.plug("ttyUSB0", { vendor: "10c4", product: "ea60", serial: "other", socket: "1-3" });
    const before = machine.plug("ttyUSB1", { ...FTDI, serial: "A5", socket: "1-1" });
    await until("found", () => openings() === 1);
    before.write(frame("b", 1, "pump"));
    await until("the first", () => uplink.texts("pump").length === 1);
    before.write("cut off in the");
    await machine.unplug("ttyUSB1");
    const after = machine.plug("ttyUSB7", { ...FTDI, serial: "A5", socket: "1-2" });
    await until("found again", () => openings() === 2);
    after.write(`boot text\n${frame("b", 2, "pump")}`);
    await until("the second", () => uplink.texts("pump").length === 2);
    expect(uplink.texts("pump")).toEqual(["pump 1", "pump 2"]);
    // The port is the same one, so its text is the same board's.
    expect(uplink.texts("pump", "uart").at(-1)).toBe("boot text");
  });

  test("two adapters of one kind without serial numbers are told apart by their sockets", async () => {
    const { machine, uplink, openings } = await started(() => [settingOf("usb:0403:6001")]);
    const left = machine.plug("ttyUSB0", { ...FTDI, socket: "1-1" });
    const right = machine.plug("ttyUSB1", { ...FTDI, socket: "1-2" });
    await until("both open", () => openings() === 2);
    left.write(frame("b", 1, "left"));
    right.write(frame("b", 1, "right"));
    await until("both", () => uplink.entries.length === 2);
    await Promise.all([machine.unplug("ttyUSB0"), machine.unplug("ttyUSB1")]);
    // The other way round, as the kernel counts them after a restart of the hub.
    const rightAgain = machine.plug("ttyUSB0", { ...FTDI, socket: "1-2" });
    await until("open again", () => openings() === 3);
    rightAgain.write("text of right\n");
    await until("text", () => uplink.entries.length === 3);
    expect(uplink.texts("right", "uart")).toEqual(["text of right"]);
  });

  test("a glob opens every port that matches, and one plugged in later", async () => {
    const { machine, uplink, openings } = await started(({ byId }) => [
      settingOf(`${byId}/usb-Maker_*:9600`),
    ]);
    const boards = ["A", "B"].map((serial, index) =>
      machine.plug(`ttyUSB${index}`, { ...FTDI, serial, socket: `1-${index}` }),
    );
    await until("two", () => openings() === 2);
    boards.push(machine.plug("ttyACM0", { vendor: "0483", product: "5740", serial: "C", socket: "2-1" }));
    await until("three", () => openings() === 3);
    for (const board of boards) board.write("hello\n");
    await until("a line of each", () => uplink.entries.length === 3);
    expect(new Set(uplink.entries.map(({ src }) => src))).toEqual(
      new Set(["A", "B", "C"].map((serial) => `usb-Maker_Board_${serial}-if00-port0`)),
    );
  });

  test("a pattern with a source takes one port, and says which it leaves alone", async () => {
    const { machine, log, openings } = await started(() => [settingOf("usb:0403:6001", { source: "pump" })]);
    machine.plug("ttyUSB0", { ...FTDI, serial: "A", socket: "1-1" });
    machine.plug("ttyUSB1", { ...FTDI, serial: "B", socket: "1-2" });
    await until("a complaint", () => log.text.includes("more than one port"));
    await until("one open", () => openings() === 1);
    expect(log.text).toContain("usb:0403:6001/B-1.0 is left alone");
  });
});
