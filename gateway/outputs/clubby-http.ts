import type { Timers } from "../../host/clock.ts";
import { HttpCaller } from "../http-caller.ts";
import type { TlsTrust } from "../tls-trust.ts";
import { type ClubbyAnswer, decodeClubbyAnswers } from "./clubby-frame.ts";
import { ANSWER_MS_MAX, type ClubbyTransport } from "./clubby-transport.ts";
import { SinkUnavailable } from "./sink.ts";

/** Statuses of HTTP itself that speak of the frame's one command. */
const OF_THE_FRAME: readonly number[] = [400, 413];

/** A frame is the body of a POST, and so is its answer. */
export class ClubbyHttp implements ClubbyTransport {
  readonly #caller: HttpCaller;

  constructor(
    world: { readonly timers: Timers },
    options: {
      readonly url: string;
      readonly at: string;
      readonly tls?: TlsTrust | undefined;
      readonly connectionsMax: number;
    },
  ) {
    const headers = { "content-type": "application/json" };
    this.#caller = new HttpCaller(world, { ...options, headers, timeoutMs: ANSWER_MS_MAX });
  }

  async exchange(frame: string, ids: readonly number[]): Promise<ReadonlyMap<number, ClubbyAnswer>> {
    let reply: Awaited<ReturnType<HttpCaller["call"]>>;
    try {
      reply = await this.#caller.call("", frame);
    } catch (error) {
      throw new SinkUnavailable((error as Error).message, { cause: error });
    }
    const { status, body, retryAfterMs } = reply;
    const answers = decodeClubbyAnswers(body.toString("utf8"));
    if (answers.ok && ids.every((id) => answers.value.has(id))) return answers.value;
    if (OF_THE_FRAME.includes(status) && ids.length === 1)
      return new Map(ids.map((id) => [id, { status, words: `HTTP ${status}` }]));
    const words = answers.ok ? "an answer to a command is missing" : answers.problem.text;
    throw new SinkUnavailable(status === 200 ? words : `HTTP ${status}`, { retryAfterMs });
  }

  close(): void {
    this.#caller.close();
  }
}
