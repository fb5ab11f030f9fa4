import { asciiStringify } from "./board.ts";

/** One line as the app logged it. */
export interface LoggedLine {
  readonly text: string;
  /** JSON of `msg` as it must be listed; undefined where the agent may cut it. */
  readonly msg: string;
  readonly level: string | undefined;
  /** The board's UTC when it knew one, else undefined, and its uptime; both ms. */
  readonly utcMs: number | undefined;
  readonly uptimeMs: number;
  /** When it was logged, on a clock that is never wrong, UTC ms. */
  readonly trueMs: number;
  /** The agent's own line, of which the simulator knows the kind alone. */
  readonly isOwn?: true;
}

const OWN = /^(?:last line repeated |level |the rest of boot )/;

/** What really happened in one boot of one board: the simulator's own account, which no code under test touches. */
export class BootTruth {
  readonly project: string;
  readonly src: string;
  readonly boot: string;
  readonly hasAcks: boolean;
  /** By seq - 1. */
  readonly lines: LoggedLine[] = [];
  /** What the agent believes to be durable. */
  acked = 0;
  /** What the agent says it dropped. */
  dropped = 0;
  isAlive = true;

  constructor(identity: {
    readonly project: string;
    readonly src: string;
    readonly boot: string;
    readonly hasAcks: boolean;
  }) {
    this.project = identity.project;
    this.src = identity.src;
    this.boot = identity.boot;
    this.hasAcks = identity.hasAcks;
  }

  /** Seqs up to here that the app did not use are the agent's own lines. */
  addOwn(seqLast: number): void {
    while (this.lines.length < seqLast) {
      this.lines.push({
        text: "",
        msg: "",
        level: undefined,
        utcMs: undefined,
        uptimeMs: 0,
        trueMs: 0,
        isOwn: true,
      });
    }
  }

  get seqLast(): number {
    return this.lines.length;
  }

  line(seq: number): LoggedLine | undefined {
    return this.lines[seq - 1];
  }
}

/** Whether a listed `msg` is the line, whole or cut as the agent says it cuts. */
export function isSameMsg(line: LoggedLine, listed: string): boolean {
  if (listed === line.msg) return true;
  if (line.isOwn) return OWN.test(String(JSON.parse(listed)));
  if (!listed.includes(" [cut: ")) return false;
  const shown: unknown = JSON.parse(listed);
  if (typeof shown !== "string" || asciiStringify(shown) !== listed) return false;
  const [, kept, missing] = /^(.*) \[cut: (\d+) more\]$/s.exec(shown) ?? [];
  if (kept === undefined) return false;
  return line.text.startsWith(kept) && line.text.length - kept.length === Number(missing);
}
