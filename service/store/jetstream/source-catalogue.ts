import type { SourceSummary } from "../../../protocol/source-summary.ts";
import { summaryOf } from "../source-state.ts";
import { SourceMessage } from "./cluster-value.ts";
import type { ProjectLog, SourceStanding } from "./project-log.ts";
import type { SourceHead } from "./source-head.ts";
import { HiddenEntries } from "./stream-deletions.ts";
import { keptStream, keptSubject } from "./subject-names.ts";
import { SuccessionWatch } from "./succession.ts";

/** Questions for the first message of a source that are under way at once. */
const AT_ONCE_MAX = 64;

/** What of a head the catalogue needs: there may be a million of them. */
type Counts = Pick<SourceHead, "totals" | "baseSeq" | "baseCount">;

interface Known {
  readonly seq: number;
  readonly head: Counts;
  /** Entries before the first message that is kept, and that message's seq; 0 while nobody asked. */
  firstSeq: number;
  entriesBefore: number;
}

/** The sources of a project, kept from call to call and brought up to date by what came since. */
export class SourceCatalogue {
  readonly #log: ProjectLog;
  readonly #sources = new Map<string, Known>();
  #throughSeq = 0;
  #refreshing: Promise<void> | undefined;

  constructor(log: ProjectLog) {
    this.#log = log;
  }

  /** Ascending by name. @throws StoreUnavailable */
  async summaries(): Promise<SourceSummary[]> {
    await this.#refresh();
    const hidden = new HiddenEntries(await this.#log.deletions.read());
    return Array.from(this.#sources, ([src, known]) => {
      const entryCount = entryCountOf(known, hidden.countOf(src));
      return summaryOf(src, { ...known.head.totals, entryCount });
    }).sort((left, right) => (left.src < right.src ? -1 : 1));
  }

  /** Entries of all sources that are kept. @throws StoreUnavailable */
  async entryCount(): Promise<number> {
    return (await this.summaries()).reduce((sum, source) => sum + source.entryCount, 0);
  }

  /** How many entries of one source are kept, as of what stands. @throws StoreUnavailable */
  async entryCountOf(src: string, standing: SourceStanding): Promise<number> {
    const { seq, head } = standing;
    const known: Known = { seq, head, firstSeq: 0, entriesBefore: 0 };
    const state = await this.#log.engine.state(this.#log.stream);
    if (state !== undefined) await this.#findFirst(src, known, state.firstSeq);
    return entryCountOf(known, new HiddenEntries(await this.#log.deletions.read()).countOf(src));
  }

  /** The cluster may be another one than before. */
  forget(): void {
    this.#sources.clear();
    this.#throughSeq = 0;
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#readOn().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #readOn(): Promise<void> {
    const { engine, stream, names, prefix } = this.#log;
    const state = await engine.state(stream);
    if (state === undefined) return;
    if (state.lastSeq < this.#throughSeq) this.forget();
    const isFirst = this.#throughSeq === 0;
    if (isFirst) await this.#readKept(keptStream(prefix), keptSubject(prefix, names.sources));
    const last = await engine.last(stream, names.sources);
    if (last !== undefined && last.seq > this.#throughSeq) {
      const watch = new SuccessionWatch();
      const start = isFirst ? "last-per-subject" : { seq: this.#throughSeq + 1 };
      for await (const messages of engine.scan(stream, names.sources, start, last.seq)) {
        for (const message of messages) {
          const read = this.#log.read(message);
          if (read === undefined) continue;
          const known = this.#sources.get(read.src);
          if (watch.isVoid(read)) continue;
          this.#sources.set(read.src, {
            seq: read.seq,
            head: countsOf(read.head),
            firstSeq: known?.firstSeq ?? 0,
            entriesBefore: known?.entriesBefore ?? 0,
          });
        }
      }
      this.#throughSeq = last.seq;
    }
    await this.#findFirsts(state.firstSeq);
  }

  /** Sources of which the log itself has nothing any more. */
  async #readKept(stream: string, subject: string): Promise<void> {
    const { engine, prefix, names } = this.#log;
    const last = await engine.last(stream, subject);
    if (last === undefined) return;
    for await (const messages of engine.scan(stream, subject, "last-per-subject", last.seq)) {
      for (const message of messages) {
        const src = names.srcOf(message.subject.replace(`${prefix}.kept`, `${prefix}.log`));
        const head = src === undefined ? undefined : SourceMessage.of(src, message)?.head;
        if (src !== undefined && head !== undefined)
          this.#sources.set(src, { seq: 0, head: countsOf(head), firstSeq: 0, entriesBefore: 0 });
      }
    }
  }

  /** Where retention has taken messages, what is left of a source begins at its first one. */
  async #findFirsts(firstSeq: number): Promise<void> {
    const stale = [...this.#sources].filter(([, known]) => known.firstSeq < firstSeq && firstSeq > 1);
    for (let start = 0; start < stale.length; start += AT_ONCE_MAX) {
      const slice = stale.slice(start, start + AT_ONCE_MAX);
      await Promise.all(slice.map(([src, known]) => this.#findFirst(src, known, firstSeq)));
    }
  }

  async #findFirst(src: string, known: Known, firstSeq: number): Promise<void> {
    const { engine, stream, names } = this.#log;
    const first = await engine.next(stream, names.source(src), firstSeq);
    const read = first && this.#log.read(first);
    const ever = known.head.totals.entryCount;
    known.firstSeq = first?.seq ?? Number.MAX_SAFE_INTEGER;
    known.entriesBefore = read === undefined ? ever : read.head.totals.entryCount - read.entryCount;
  }
}

function countsOf({ totals, baseSeq, baseCount }: SourceHead): Counts {
  return { totals, baseSeq, baseCount };
}

function entryCountOf({ head, seq, entriesBefore }: Known, hiddenCount: number): number {
  if (seq === 0) return 0;
  const { totals, baseCount } = head;
  const hidden = head.baseSeq > 0 && baseCount === totals.entryCount ? 0 : hiddenCount;
  return Math.max(0, totals.entryCount - Math.max(baseCount, entriesBefore) - hidden);
}
