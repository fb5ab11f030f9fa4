import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { decodeLineChecksum, encodeLine } from "../../protocol/serial-line.ts";
import { BoardlogProcess, until } from "../support/boardlog-process.ts";
import { listAll } from "../support/list-client.ts";
import { requires } from "../support/requirements.ts";

const need = requires("socat");
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe.skipIf(need.isMissing)(`a serial line that is somebody else's pty${need.note}`, () => {
  test("a frame typed by hand is acked down the wire and listed beside the console text around it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "boardlog-socat-"));
    cleanups.push(() => rm(folder, { recursive: true, force: true }));
    const [boardEnd, gatewayEnd] = [join(folder, "board"), join(folder, "gateway")];
    const socat = spawn(need.path ?? "", [
      `pty,raw,echo=0,link=${boardEnd}`,
      `pty,raw,echo=0,link=${gatewayEnd}`,
    ]);
    cleanups.push(() => socat.kill());
    await until("socat has made its ptys", () => existsSync(boardEnd) && existsSync(gatewayEnd));
    const up = await BoardlogProcess.create(["--serial", `${gatewayEnd}:115200`]);
    cleanups.push(() => up.remove());
    await up.start();

    const board = await open(boardEnd, "r+");
    let heard = "";
    const reader = board.createReadStream({ encoding: "latin1", autoClose: false });
    reader.on("data", (text) => {
      heard += String(text);
    });
    reader.on("error", () => {}); // socat goes first.
    cleanups.push(() => reader.destroy());
    const frame =
      '{"v":1,"src":"//lab/typed","boot":"b1","ack":true,"first":1,"cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":"by hand"}}]}';
    await board.write(`> prompt\r\n${encodeLine(frame, true)}panic: stack overflow\r\n`);
    await until("the ack is down the wire", () =>
      heard.split("\n").some((line) => decodeLineChecksum(line)?.includes('"boot":"b1","ack":1')),
    );
    const key = await up.key();
    await until("all is listed", async () => (await listAll(up.url, key, "//lab/typed")).length === 2);
    expect(await listAll(up.url, key, "//lab/typed")).toMatchObject([
      { stream: "console", msg: "by hand", boot: "b1", seq: 1 },
      { stream: "uart", msg: "panic: stack overflow" },
    ]);
  });
});
