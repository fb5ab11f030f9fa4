import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

export interface SyslogMessage {
  readonly priority: number;
  readonly version: number;
  readonly timestamp: string | undefined;
  readonly hostname: string | undefined;
  readonly appName: string | undefined;
  readonly procId: string | undefined;
  readonly msgId: string | undefined;
  readonly elements: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly hasBom: boolean;
  readonly text: string;
}

// The grammar of RFC 5424, section 6, rule by rule.
const PRINTUSASCII = "[\\x21-\\x7e]";
const SD_NAME = "[\\x21\\x23-\\x3c\\x3e-\\x5c\\x5e-\\x7e]{1,32}";
const PARAM = `${SD_NAME}="(?:[^"\\\\\\]]|\\\\["\\\\\\]])*"`;
const ELEMENT = `\\[${SD_NAME}(?: ${PARAM})*\\]`;
const DATE = "\\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\\d|3[01])";
const TIME = "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)";
const field = (lengthMax: number): string => `(-|${PRINTUSASCII}{1,${lengthMax}})`;
const HEADER = `<(\\d{1,3})>([1-9]\\d{0,2}) (-|${DATE}T${TIME}) ${field(255)} ${field(48)} ${field(128)} ${field(32)}`;
const MESSAGE = new RegExp(`^${HEADER} (-|(?:${ELEMENT})+)(?: ([^]*))?$`);

/** One message. @throws where it is none by the grammar. */
export function parseSyslog(bytes: Buffer): SyslogMessage {
  const match = MESSAGE.exec(bytes.toString("utf8"));
  if (match === null) throw new Error(`no RFC 5424 message: ${bytes.toString("utf8")}`);
  const [, priority, version, timestamp, hostname, appName, procId, msgId, data = "-", rest = ""] = match;
  if (Number(priority) > 191) throw new Error(`priority ${priority}`);
  const given = (value: string | undefined): string | undefined => (value === "-" ? undefined : value);
  const elements: Record<string, Record<string, string>> = {};
  for (const [element] of data === "-" ? [] : data.matchAll(new RegExp(ELEMENT, "g"))) {
    const id = new RegExp(`^\\[(${SD_NAME})`).exec(element)?.[1] ?? "";
    if (elements[id] !== undefined) throw new Error(`${id} is there twice`);
    const params: Record<string, string> = {};
    for (const [param] of element.matchAll(new RegExp(PARAM, "g"))) {
      const at = param.indexOf("=");
      params[param.slice(0, at)] = param.slice(at + 2, -1).replaceAll(/\\(["\\\]])/g, "$1");
    }
    elements[id] = params;
  }
  const hasBom = rest.startsWith("\ufeff");
  return {
    priority: Number(priority),
    version: Number(version),
    timestamp: given(timestamp),
    hostname: given(hostname),
    appName: given(appName),
    procId: given(procId),
    msgId: given(msgId),
    elements,
    hasBom,
    text: hasBom ? rest.slice(1) : rest,
  };
}

/** A syslog receiver over TCP or TLS with octet counting (RFC 6587, 3.4.1), written from the RFCs alone. Its memory outlives `stop`. */
export class SyslogReceiver {
  readonly messages: SyslogMessage[] = [];
  readonly problems: string[] = [];
  /** Reads nothing while it is set. */
  isStuck = false;
  connectionCount = 0;
  port = 0;
  readonly #tls: TlsOptions | undefined;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(tls?: TlsOptions) {
    this.#tls = tls;
  }

  async start(): Promise<void> {
    const listener = (socket: Socket): void => this.#connected(socket);
    const server =
      this.#tls === undefined
        ? createServer(listener)
        : createTlsServer({ ...this.#tls, requestCert: this.#tls.ca !== undefined }, listener);
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    const address = server.address();
    if (typeof address === "object" && address !== null) this.port = address.port;
  }

  /** As a process that is killed. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.cut();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }

  /** Ends every connection in the middle. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #connected(socket: Socket): void {
    this.connectionCount += 1;
    this.#sockets.add(socket);
    let rest: Buffer = Buffer.alloc(0);
    if (this.isStuck) socket.pause();
    else
      socket.on("data", (chunk: Buffer) => {
        rest = this.#take(Buffer.concat([rest, chunk]));
      });
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }

  #take(given: Buffer): Buffer {
    let bytes = given;
    for (;;) {
      const space = bytes.indexOf(0x20);
      if (space < 0) return bytes;
      const digits = bytes.toString("latin1", 0, space);
      if (!/^[1-9]\d*$/.test(digits)) {
        this.problems.push(`MSG-LEN: ${digits}`);
        return Buffer.alloc(0);
      }
      const end = space + 1 + Number(digits);
      if (bytes.length < end) return bytes;
      try {
        this.messages.push(parseSyslog(bytes.subarray(space + 1, end)));
      } catch (error) {
        this.problems.push((error as Error).message);
      }
      bytes = bytes.subarray(end);
    }
  }
}
