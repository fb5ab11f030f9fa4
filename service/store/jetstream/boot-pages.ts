import type { BootMark } from "../boot-mark.ts";
import type { ProjectLog } from "./project-log.ts";
import { Register, type RegisterForm } from "./register.ts";
import { BOOTS_MAX, decodeMarks, encodeMarks, type SourceHead } from "./source-head.ts";

/** Boots of one page: a few KiB, written anew for every few boots that a board starts. */
const PAGE_BOOTS_MAX = 256;
/** Boots that stay in the head when it is relieved, so that this is not done for every new one. */
const BOOTS_LEFT = BOOTS_MAX / 2;

type Marks = ReadonlyMap<string, BootMark>;

const MARKS_FORM: RegisterForm<Marks> = {
  empty: new Map(),
  encode: (marks, to) => encodeMarks(to, marks),
  decode(from) {
    const marks = new Map<string, BootMark>();
    decodeMarks(from, marks);
    return marks;
  },
};

/** Marks of the boots of a source that its head no longer names. What the head says of a boot is newer. */
export class BootPages {
  readonly #log: ProjectLog;
  readonly #src: string;

  constructor(log: ProjectLog, src: string) {
    this.#log = log;
    this.#src = src;
  }

  /** Marks of those of the boots that are in pages. @throws StoreUnavailable */
  async find(boots: ReadonlySet<string>, pageCount: number): Promise<Map<string, BootMark>> {
    const found = new Map<string, BootMark>();
    const wanted = new Set(boots);
    for (let page = pageCount; page > 0 && wanted.size > 0; page--) {
      const marks = await this.#page(page).read();
      for (const boot of wanted) {
        const mark = marks.get(boot);
        if (mark === undefined) continue;
        found.set(boot, mark);
        wanted.delete(boot);
      }
    }
    return found;
  }

  /**
   * Moves the oldest boots out of a head that has too many. Only marks that are durable are written.
   * @throws StoreUnavailable
   */
  async relieve(head: SourceHead): Promise<void> {
    if (head.marks.size <= BOOTS_MAX) return;
    const leaving = [...head.marks]
      .filter(([boot]) => !head.isTouched(boot))
      .slice(0, head.marks.size - BOOTS_LEFT);
    if (leaving.length === 0) return;
    let page = Math.max(1, head.pageCount);
    if (!(await this.#add(page, leaving))) await this.#add(++page, leaving);
    head.pageCount = page;
    for (const [boot] of leaving) head.marks.delete(boot);
  }

  /** False where the page is full. */
  async #add(page: number, marks: readonly (readonly [string, BootMark])[]): Promise<boolean> {
    let fits = true;
    await this.#page(page).update((known) => {
      fits = known.size + marks.length <= PAGE_BOOTS_MAX;
      if (!fits) return undefined;
      const changed = new Map(known);
      for (const [boot] of marks) changed.delete(boot);
      for (const [boot, mark] of marks) changed.set(boot, mark);
      return changed;
    });
    return fits;
  }

  #page(page: number): Register<Marks> {
    const { engine, prefix, stream, names } = this.#log;
    return new Register({ engine, prefix, stream }, names.bootPage(this.#src, page), MARKS_FORM);
  }
}
