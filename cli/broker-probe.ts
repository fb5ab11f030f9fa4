import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";

/** What a broker says to a client that only knocks. */
export const BrokerAnswer = {
  Accepted: "accepted",
  Refused: "refused",
  NotMqtt: "not-mqtt",
  Away: "away",
} as const;
export type BrokerAnswer = (typeof BrokerAnswer)[keyof typeof BrokerAnswer];

const ANSWER_MS_MAX = 3000;
const CONNACK = 0x20;

/** Connects with MQTT 3.1.1, reads the CONNACK (3.2) and goes: no session, no topic, no client of the same name is disturbed. */
export function tryBroker(url: URL): Promise<BrokerAnswer> {
  const isTls = url.protocol === "mqtts:";
  const port = Number(url.port || (isTls ? 8883 : 1883));
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve) => {
    const socket = isTls ? connectTls({ host, port, servername: host }) : connectTcp({ host, port });
    let isOpen = false;
    const finish = (answer: BrokerAnswer): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(isOpen ? BrokerAnswer.NotMqtt : BrokerAnswer.Away), ANSWER_MS_MAX);
    socket.once(isTls ? "secureConnect" : "connect", () => {
      isOpen = true;
      socket.write(connectPacket(decodeURIComponent(url.username), decodeURIComponent(url.password)));
    });
    socket.once("data", (bytes) => {
      if (bytes.length < 4 || bytes[0] !== CONNACK) finish(BrokerAnswer.NotMqtt);
      else finish(bytes[3] === 0 ? BrokerAnswer.Accepted : BrokerAnswer.Refused);
    });
    socket.once("error", () => finish(isOpen ? BrokerAnswer.Refused : BrokerAnswer.Away));
    // Some brokers close instead of answering a client that they refuse.
    socket.once("end", () => finish(BrokerAnswer.Refused));
  });
}

/** MQTT 3.1.1, 3.1: clean session, keep-alive 10 s, an empty client id. */
function connectPacket(userName: string, password: string): Buffer {
  const flags = 0x02 | (userName === "" ? 0 : 0x80) | (password === "" ? 0 : 0x40);
  const body = Buffer.concat([
    field("MQTT"),
    Buffer.from([4, flags, 0, 10]),
    field(""),
    ...(userName === "" ? [] : [field(userName)]),
    ...(password === "" ? [] : [field(password)]),
  ]);
  const length: number[] = [];
  for (let rest = body.length; ; rest >>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  return Buffer.concat([Buffer.from([0x10, ...length]), body]);
}

function field(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}
