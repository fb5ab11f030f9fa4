import { ByteReader } from "../byte-reader.ts";
import { ByteWriter } from "../byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "../checked-value.ts";
import { StoreUnavailable } from "../log-store.ts";
import type { EngineMessage, MessageEngine } from "./message-engine.ts";
import { keptStream, keptSubject } from "./subject-names.ts";
import { UNDERWAY_MAX } from "./succession.ts";

/** Another process changed it in between so often: each try reads what stands. */
const TRIES_MAX = 50;

export interface RegisterPlace {
  readonly engine: MessageEngine;
  readonly prefix: string;
  readonly stream: string;
}

/** How a register's value is written. */
export interface RegisterForm<Value> {
  readonly empty: Value;
  encode(value: Value, to: ByteWriter): void;
  decode(from: ByteReader): Value;
}

/** One value under a subject of its own, in the project's stream like everything: after a loss, no newer than the entries are. */
export class Register<Value> {
  readonly #place: RegisterPlace;
  readonly #subject: string;
  readonly #form: RegisterForm<Value>;

  constructor(place: RegisterPlace, subject: string, form: RegisterForm<Value>) {
    this.#place = place;
    this.#subject = subject;
    this.#form = form;
  }

  /** @throws StoreUnavailable */
  async read(): Promise<Value> {
    return (await this.#readWithSeq()).value;
  }

  /**
   * Writes what `change` makes of the value that stands; undefined leaves it.
   * @throws StoreUnavailable; the change may have been written all the same.
   */
  async update(change: (value: Value) => Value | undefined): Promise<void> {
    const { engine, stream } = this.#place;
    let stands = await this.#readWithSeq();
    let isOverwritten = false;
    for (let turn = 0; turn < TRIES_MAX; turn++) {
      const { value, seq } = stands;
      const changed = change(value) ?? (isOverwritten ? value : undefined);
      if (changed === undefined) return;
      const writer = new ByteWriter(64);
      this.#form.encode(changed, writer);
      const data = sealValue(ValueKind.ClusterRegister, writer.view());
      const outcome = await engine.publish(this.#subject, data, seq === 0 ? undefined : seq);
      if (outcome.type === "unknown")
        throw new StoreUnavailable("the cluster did not answer", { cause: outcome.cause });
      // Of two that were under way together both may be stored (`succession.ts`): the change is made anew on the one that came first.
      const first =
        outcome.type === "stored"
          ? await engine.next(stream, this.#subject, Math.max(seq + 1, outcome.seq - UNDERWAY_MAX))
          : undefined;
      if (outcome.type === "stored" && (first === undefined || first.seq >= outcome.seq)) return;
      // What came first must not be hidden by what this stored behind it.
      isOverwritten = outcome.type === "stored";
      stands =
        outcome.type === "stored" && first !== undefined
          ? { value: this.#valueOf(first), seq: outcome.seq }
          : await this.#readWithSeq();
    }
    throw new StoreUnavailable("other processes change the same value all the time");
  }

  async #readWithSeq(): Promise<{ readonly value: Value; readonly seq: number }> {
    const { engine, prefix, stream } = this.#place;
    const last = await engine.last(stream, this.#subject);
    const kept = last ?? (await engine.last(keptStream(prefix), keptSubject(prefix, this.#subject)));
    return { value: kept === undefined ? this.#form.empty : this.#valueOf(kept), seq: last?.seq ?? 0 };
  }

  #valueOf(message: EngineMessage): Value {
    const bytes = openValue(ValueKind.ClusterRegister, message.data);
    if (bytes === undefined)
      throw new StoreUnavailable(`the value of ${this.#subject} in the cluster is damaged`);
    return this.#form.decode(new ByteReader(bytes, CHECKED_HEAD_BYTES));
  }
}
