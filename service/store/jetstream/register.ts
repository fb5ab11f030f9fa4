import { ByteReader } from "../byte-reader.ts";
import { ByteWriter } from "../byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "../checked-value.ts";
import { StoreUnavailable } from "../log-store.ts";
import type { MessageEngine } from "./message-engine.ts";
import { keptStream, keptSubject } from "./subject-names.ts";

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
    for (let turn = 0; turn < TRIES_MAX; turn++) {
      const { value, seq } = await this.#readWithSeq();
      const changed = change(value);
      if (changed === undefined) return;
      const writer = new ByteWriter(64);
      this.#form.encode(changed, writer);
      const data = sealValue(ValueKind.ClusterRegister, writer.view());
      const outcome = await this.#place.engine.publish(this.#subject, data, seq);
      if (outcome.type === "stored") return;
      if (outcome.type === "unknown")
        throw new StoreUnavailable("the cluster did not answer", { cause: outcome.cause });
    }
    throw new StoreUnavailable("other processes change the same value all the time");
  }

  async #readWithSeq(): Promise<{ readonly value: Value; readonly seq: number }> {
    const { engine, prefix, stream } = this.#place;
    const last = await engine.last(stream, this.#subject);
    const kept = last ?? (await engine.last(keptStream(prefix), keptSubject(prefix, this.#subject)));
    const bytes = kept && openValue(ValueKind.ClusterRegister, kept.data);
    if (kept !== undefined && bytes === undefined) {
      throw new StoreUnavailable(`the value of ${this.#subject} in the cluster is damaged`);
    }
    const value = bytes ? this.#form.decode(new ByteReader(bytes, CHECKED_HEAD_BYTES)) : this.#form.empty;
    return { value, seq: last?.seq ?? 0 };
  }
}
