import { connect } from "node:net";
import {
  connectPacket,
  publishPacket,
  readPackets,
  subscribePacket,
  topicBytes,
} from "../../sim/load/mqtt-wire.ts";

interface TimedBoardOptions {
  readonly port: number;
  /** Password of the project `default`. */
  readonly key: string;
  readonly src: string;
  readonly periodMs: number;
}

export interface TimedBoard {
  /** The last line that was logged. */
  seq(): number;
  acked(): number;
  /** Logs nothing more, and goes on hearing. */
  quiet(): void;
  stop(): void;
}

const BOOT = "q";

/** A board that logs a line at a time; each ack tells how long its line took. */
export function timedBoard(
  { port, key, src, periodMs }: TimedBoardOptions,
  onLatency: (ms: number) => void,
): Promise<TimedBoard> {
  const topic = topicBytes(`boardlog/default/${src}/log`);
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const sentMs = new Map<number, number>();
  let seq = 0;
  let acked = 0;
  let timer: NodeJS.Timeout | undefined;
  const log = (): void => {
    seq += 1;
    sentMs.set(seq, performance.now());
    socket.write(
      publishPacket(
        topic,
        (seq % 65_535) + 1,
        `["@${BOOT}",${seq},0,${Math.floor(performance.now())},0,"line ${seq}"]`,
      ),
    );
  };
  socket.write(connectPacket({ clientId: src, username: "default", password: key }));
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    let rest: Buffer | undefined;
    socket.on("data", (chunk) => {
      rest = readPackets(rest === undefined ? chunk : Buffer.concat([rest, chunk]), {
        onConnack: (code) => {
          if (code !== 0) reject(new Error(`CONNACK ${code}`));
          socket.write(subscribePacket(`boardlog/default/${src}/cmd`));
        },
        onSuback: () => {
          // Spread over the period.
          setTimeout(() => {
            timer = setInterval(log, periodMs);
          }, Math.random() * periodMs);
          resolve({
            seq: () => seq,
            acked: () => acked,
            quiet: () => clearInterval(timer),
            stop: () => {
              clearInterval(timer);
              socket.destroy();
            },
          });
        },
        onPuback: () => {},
        onPublish: (payload) => {
          const { ack = 0 } = JSON.parse(payload) as { ack?: number };
          acked = Math.max(acked, ack);
          const startMs = sentMs.get(ack);
          for (const known of sentMs.keys()) if (known <= ack) sentMs.delete(known);
          if (startMs !== undefined) onLatency(performance.now() - startMs);
        },
      });
    });
  });
}
