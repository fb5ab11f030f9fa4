import type { ExtraField } from "../../protocol/methods.ts";
import { EntryStencil, type StencilRow } from "./entry-stencil.ts";

/** Of one kind: sources whose names or seqs are of other lengths take turns in a page of all. */
const STENCILS_MAX = 6;
/** Lists of fields that stencils are kept for; readers of one program ask for the same ones. */
const BOOKS_MAX = 4;

/** Stencils for entries with the same fields, those used last, from page to page: to make one costs as much as ten entries. */
export class StencilBook {
  readonly #fields: readonly ExtraField[];
  /** By kind, the one used last first. A kind is a level, a clock, and which fields have a value. */
  readonly #kinds: (EntryStencil[] | undefined)[] = [];

  constructor(fields: readonly ExtraField[]) {
    this.#fields = fields;
  }

  of(row: StencilRow, src: string): EntryStencil {
    const kind =
      row.levelCode |
      (row.clockCode << 3) |
      (row.seq === undefined ? 0 : 0x20) |
      (row.uptime === undefined ? 0 : 0x40) |
      (row.clockError === undefined ? 0 : 0x80) |
      (row.boot === undefined ? 0 : 0x100) |
      (row.module === undefined ? 0 : 0x200);
    const ofKind = this.#kinds[kind];
    const last = ofKind?.[0];
    return last?.fits(row, src) ? last : this.#another(ofKind ?? this.#addKind(kind), row, src);
  }

  #another(ofKind: EntryStencil[], row: StencilRow, src: string): EntryStencil {
    let index = 1;
    while (index < ofKind.length && !ofKind[index]?.fits(row, src)) index++;
    const stencil = ofKind[index] ?? new EntryStencil(row, src, this.#fields);
    for (let at = Math.min(index, STENCILS_MAX - 1); at > 0; at--) {
      const before = ofKind[at - 1];
      if (before !== undefined) ofKind[at] = before;
    }
    ofKind[0] = stencil;
    return stencil;
  }

  #addKind(kind: number): EntryStencil[] {
    const ofKind: EntryStencil[] = [];
    this.#kinds[kind] = ofKind;
    return ofKind;
  }
}

/** A book for each list of fields. */
export class StencilBooks {
  readonly #books = new Map<string, StencilBook>();

  of(fields: readonly ExtraField[]): StencilBook {
    const name = fields.join();
    let book = this.#books.get(name);
    if (book === undefined) {
      if (this.#books.size >= BOOKS_MAX) this.#books.clear();
      book = new StencilBook(fields);
      this.#books.set(name, book);
    }
    return book;
  }
}
