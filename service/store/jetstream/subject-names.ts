/** Characters that stand for themselves in a subject's token and in the name of a stream. */
const PLAIN = /[0-9A-Za-z-]/;

/**
 * Any text as one token of a subject: letters, digits and dashes as they are, every other byte of its UTF-8 as `_` and two hex
 * digits. Knows no dot, star, `>`, space or slash, whatever a source is called.
 */
export function subjectToken(text: string): string {
  let token = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const character = String.fromCharCode(byte);
    token += byte < 128 && PLAIN.test(character) ? character : `_${byte.toString(16).padStart(2, "0")}`;
  }
  return token;
}

/** Undefined for what `subjectToken` never makes. */
export function textOfToken(token: string): string | undefined {
  const bytes: number[] = [];
  for (let at = 0; at < token.length; at++) {
    const character = token.charAt(at);
    if (character !== "_") bytes.push(character.charCodeAt(0));
    else {
      bytes.push(Number.parseInt(token.slice(at + 1, at + 3), 16));
      at += 2;
    }
  }
  const text = Buffer.from(bytes).toString("utf8");
  return subjectToken(text) === token ? text : undefined;
}

/** Kinds of a project's subjects, the token behind its name. */
const Kind = {
  Source: "s",
  BootPage: "b",
  Spool: "g",
  Deletions: "d",
  Ahead: "a",
  Voids: "v",
  Barrier: "r",
} as const;

/** Names of one project's subjects and streams, under the prefix of the whole store. */
export class ProjectNames {
  /** The stream that holds everything of the project. */
  readonly stream: string;
  /** All its subjects. */
  readonly all: string;
  /** All its sources. */
  readonly sources: string;
  readonly deletions: string;
  readonly ahead: string;
  readonly voids: string;
  readonly #base: string;

  constructor(prefix: string, project: string) {
    const token = subjectToken(project);
    this.stream = logStreamPrefix(prefix) + token;
    this.#base = `${prefix}.log.${token}`;
    this.all = `${this.#base}.>`;
    this.sources = `${this.#base}.${Kind.Source}.>`;
    this.deletions = `${this.#base}.${Kind.Deletions}`;
    this.ahead = `${this.#base}.${Kind.Ahead}`;
    this.voids = `${this.#base}.${Kind.Voids}`;
  }

  source(src: string): string {
    return `${this.#base}.${Kind.Source}.${subjectToken(src)}`;
  }

  /** Undefined for a subject that is no source's. */
  srcOf(subject: string): string | undefined {
    const start = `${this.#base}.${Kind.Source}.`;
    return subject.startsWith(start) ? textOfToken(subject.slice(start.length)) : undefined;
  }

  bootPage(src: string, page: number): string {
    return `${this.#base}.${Kind.BootPage}.${subjectToken(src)}.${page}`;
  }

  spool(gateway: string, epoch: string): string {
    return `${this.#base}.${Kind.Spool}.${subjectToken(gateway)}.${subjectToken(epoch)}`;
  }
}

/** What guards write into a project's stream to see it on every replica. Undefined for a stream that is no project's. */
export function barrierSubject(prefix: string, stream: string): string | undefined {
  const start = logStreamPrefix(prefix);
  return stream.startsWith(start) ? `${prefix}.log.${stream.slice(start.length)}.${Kind.Barrier}` : undefined;
}

/** All streams of the store begin so. */
export function storeStreamPrefix(prefix: string): string {
  return `${prefix}_`;
}

/** Projects' streams begin so. */
export function logStreamPrefix(prefix: string): string {
  return `${prefix}_log_`;
}

/** The one stream of what outlives retention: the last message of each subject that the log itself has no more. */
export function keptStream(prefix: string): string {
  return `${prefix}_kept`;
}

/** Subjects of the kept stream. */
export function keptSubjects(prefix: string): string {
  return `${prefix}.kept.>`;
}

/** Where the kept stream has the last message of a log's subject (or of all below one that ends in `.>`). */
export function keptSubject(prefix: string, subject: string): string {
  return `${prefix}.kept${subject.slice(`${prefix}.log`.length)}`;
}

export function secretSubject(prefix: string): string {
  return `${prefix}.kept._secret`;
}

/** The one stream of what processes note of the replicas of the others. */
export function guardStream(prefix: string): string {
  return `${prefix}_guard`;
}

export function guardSubjects(prefix: string): string {
  return `${prefix}.guard.>`;
}

/** How far the replicas of a project's stream are known to be the same. */
export function verifiedSubject(prefix: string, stream: string): string {
  return `${prefix}.guard.verified.${stream}`;
}

/** Which process changes replicas. */
export function repairSubject(prefix: string): string {
  return `${prefix}.guard.repair`;
}
