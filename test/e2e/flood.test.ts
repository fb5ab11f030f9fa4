import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import {
  connectPacket,
  publishPacket,
  readPackets,
  subscribePacket,
  topicBytes,
} from "../../sim/load/mqtt-wire.ts";
import { BoardlogProcess, until } from "../support/boardlog-process.ts";
import { WireBoard } from "../support/gateway-process.ts";
import { listAll } from "../support/list-client.ts";
import { Mosquitto } from "../support/mosquitto.ts";
import { requires } from "../support/requirements.ts";

const need = requires("mosquitto");
const QUIET_BOARDS = 20;
const FLOOD_LINES = 10_000;
const LINES_A_FRAME = 50;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test.skipIf(need.isMissing)(
  `one board floods a real broker beside twenty others: theirs are acked meanwhile and all there, and every line of its own is there or told as lost${need.note}`,
  async () => {
    const broker = new Mosquitto(need.path ?? "");
    await broker.start();
    cleanups.push(() => broker.dispose());
    const boardlog = await BoardlogProcess.create(["--quiet", "--broker", broker.url]);
    cleanups.push(() => boardlog.remove());
    await boardlog.start();

    const boards: WireBoard[] = [];
    for (let index = 0; index < QUIET_BOARDS; index++) {
      const src = `quiet-${index}`;
      const { publish } = await client(broker.port, src, (payload) =>
        board.hear(Buffer.from(`${payload}\n`)),
      );
      const board = new WireBoard((text) => publish(text.trimEnd()), src);
      boards.push(board);
    }
    const ends = boards.map((board) => board.keepLogging());
    await until("acks come", () => boards.every(({ acked }) => acked > 20));

    // It forgets what it sent: what does not arrive is lost.
    const flood = await client(broker.port, "flood", () => {});
    let seq = 0;
    const floodFrame = (): string => {
      const first = seq + 1;
      const lines = Array.from({ length: LINES_A_FRAME }, () => `"flood ${++seq}"`);
      return `["@f",${first},0,${first},0,${lines.join(",")}]`;
    };
    while (seq < FLOOD_LINES) flood.publish(floodFrame());
    const before = boards.map(({ acked }) => acked);
    const key = await boardlog.key();
    await until("all others are acked beside it", () =>
      boards.every(({ acked }, index) => acked > (before[index] ?? 0) + 20),
    );
    // What came last is told of by what comes after.
    await until("the flood is through", async () => {
      flood.publish(floodFrame());
      return (await listAll(boardlog.url, key, "flood")).some((entry) => topOf(entry) > FLOOD_LINES);
    });
    await Promise.all(ends.map((end) => end()));

    for (const [index, board] of boards.entries()) {
      const entries = await listAll(boardlog.url, key, `quiet-${index}`);
      expect(entries.map(({ msg }) => msg)).toEqual(
        Array.from({ length: board.seq }, (_, number) => `line ${number + 1}`),
      );
    }
    const accounted: number[] = [];
    for (const entry of await listAll(boardlog.url, key, "flood"))
      for (let each = firstOf(entry); each <= topOf(entry); each++) accounted.push(each);
    expect(accounted).toEqual(Array.from(accounted, (_, index) => index + 1));
    expect(accounted.length).toBeGreaterThan(FLOOD_LINES);
  },
  120_000,
);

interface Told {
  readonly seq?: number;
  readonly stream: string;
  readonly msg: unknown;
}

function firstOf({ seq = 0, stream, msg }: Told): number {
  return stream === "loss" ? (msg as { first: number }).first : seq;
}

function topOf({ seq = 0, stream, msg }: Told): number {
  return stream === "loss" ? (msg as { last: number }).last : seq;
}

/** Publishes what a board says, and hears what it is told. */
async function client(port: number, src: string, onPayload: (payload: string) => void) {
  const topic = topicBytes(`boardlog/default/${src}/log`);
  const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
  cleanups.push(() => socket.destroy());
  let packetId = 0;
  let rest: Buffer | undefined;
  socket.write(connectPacket({ clientId: src, username: "", password: "" }));
  await new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      rest = readPackets(rest === undefined ? chunk : Buffer.concat([rest, chunk]), {
        onConnack: () => socket.write(subscribePacket(`boardlog/default/${src}/cmd`)),
        onSuback: () => resolve(),
        onPuback: () => {},
        onPublish: (payload) => onPayload(String(payload)),
      });
    });
  });
  return {
    publish: (payload: string): void => {
      packetId = (packetId % 65_535) + 1;
      socket.write(publishPacket(topic, packetId, payload));
    },
  };
}
