import type { Clock } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import type { ProcessLog } from "../../host/log.ts";
import { Status } from "../../protocol/decoded.ts";
import { decodeIngestBatch, isGatewayId, isSpoolEpoch } from "../../protocol/ingest.ts";
import { checkSrc, isBoot } from "../../protocol/names.ts";
import { type Caller, callerOf, type KeyRing, mayDo } from "../auth/caller.ts";
import { NO_GOOD_KEY, shownKey } from "../auth/credentials.ts";
import type { EntryAppender } from "../entry-appender.ts";
import { type HttpAnswer, type HttpRequest, jsonAnswer, refusalAnswer } from "../http/exchange.ts";
import { KeyedQueue } from "../keyed-queue.ts";
import { OutageLog } from "../outage-log.ts";
import { type LogStore, reasonOf, StoreUnavailable } from "../store/log-store.ts";

export interface IngestDependencies {
  readonly store: LogStore;
  readonly appender: EntryAppender;
  readonly keys: KeyRing;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly log: ProcessLog;
}

export type Admitted =
  | { readonly ok: true; readonly caller: Caller; readonly gateway: string }
  | { readonly ok: false; readonly answer: HttpAnswer };

/** Takes what gateways have spooled, each entry exactly once (docs/protocol.md 13). */
export class IngestHandlers {
  readonly #dependencies: IngestDependencies;
  /** Batches of one spool wait for each other: the position that stands decides what of a batch is new. */
  readonly #queue = new KeyedQueue();

  readonly #outage: OutageLog;

  constructor(dependencies: IngestDependencies) {
    this.#dependencies = dependencies;
    this.#outage = new OutageLog(dependencies);
  }

  /** Clause 13.2. */
  async getPosition(request: HttpRequest): Promise<HttpAnswer> {
    const admitted = await this.admit(request);
    if (!admitted.ok) return admitted.answer;
    const epoch = request.query.get("epoch") ?? "";
    if (!isSpoolEpoch(epoch)) return refusalAnswer(Status.BadArguments, "epoch: must be 16 hex digits");
    const { project } = admitted.caller;
    return this.#orUnavailable(async () => {
      this.#dependencies.counters.add("service_gateway_greetings_total");
      const position = await this.#dependencies.store.spoolPosition(project, admitted.gateway, epoch);
      return jsonAnswer(200, { position });
    });
  }

  /** Clause 13.5. */
  async getMark(request: HttpRequest): Promise<HttpAnswer> {
    const admitted = await this.admit(request);
    if (!admitted.ok) return admitted.answer;
    const src = checkSrc(request.query.get("src") ?? "");
    if (!src.ok) return refusalAnswer(Status.BadArguments, src.problem.text);
    const boot = request.query.get("boot") ?? "";
    if (!isBoot(boot))
      return refusalAnswer(Status.BadArguments, "boot: must be 1 to 32 printable ASCII characters");
    return this.#orUnavailable(async () => {
      const { store } = this.#dependencies;
      const { project } = admitted.caller;
      const mark = await store.mark(project, src.value, boot);
      const gaps = await store.gaps(project, src.value, boot);
      return jsonAnswer(200, { mark, gaps: gaps.map(({ first, last }) => [first, last]) });
    });
  }

  /** Clauses 13.3 and 13.4. */
  async postEntries(request: HttpRequest): Promise<HttpAnswer> {
    const admitted = await this.admit(request);
    if (!admitted.ok) return admitted.answer;
    const { counters, store, appender } = this.#dependencies;
    const decoded = decodeIngestBatch(request.body);
    if (!decoded.ok) {
      counters.add("service_bad_gateway_batches_total");
      return refusalAnswer(decoded.problem.status, decoded.problem.text);
    }
    const { epoch, after, last, entries } = decoded.value;
    const { caller, gateway } = admitted;
    const { project } = caller;
    return this.#queue.run(`${project} ${gateway} ${epoch}`, () =>
      this.#orUnavailable(async () => {
        const stands = await store.spoolPosition(project, gateway, epoch);
        if (after > stands) {
          counters.add("service_gateway_gap_batches_total");
          const status_msg = `after: the service has this epoch up to ${stands} only`;
          return jsonAnswer(409, { status: Status.Gap, status_msg, position: stands });
        }
        const news = entries.filter(({ position }) => position > stands);
        counters.add("service_gateway_repeated_entries_total", entries.length - news.length);
        if (last <= stands) return jsonAnswer(200, { position: stands });
        const batch = {
          project,
          entries: news.map(({ entry }) => entry),
          spoolPositions: news.map(({ position }) => position),
        };
        await appender.append([batch], { project, gateway, epoch, position: last });
        return jsonAnswer(200, { position: last });
      }),
    );
  }

  /** Who may send as which gateway (docs/protocol.md 13.1). */
  async admit(request: HttpRequest): Promise<Admitted> {
    const refuse = (status: number, text: string): Admitted => ({
      ok: false,
      answer: refusalAnswer(status, text),
    });
    const caller = await callerOf(shownKey(request.headers), this.#dependencies.keys);
    if (caller === undefined) return refuse(401, NO_GOOD_KEY);
    if (caller.project !== request.params.projectId) return refuse(403, "this key is not for this project");
    if (caller.src !== undefined || !mayDo(caller, "write") || !mayDo(caller, "on-behalf")) {
      return refuse(403, "a gateway's key needs the rights to write and to log on behalf of others");
    }
    const gateway = request.params.gatewayId ?? "";
    if (!isGatewayId(gateway))
      return refuse(400, "gateway: must be 1 to 64 letters, digits, dots, dashes or underscores");
    return { ok: true, caller, gateway };
  }

  async #orUnavailable(answer: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
    try {
      return await answer();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      this.#dependencies.counters.add("service_store_unavailable_total");
      this.#outage.met(error);
      return refusalAnswer(Status.Unavailable, `${reasonOf(error)}; keep the entries and try again`);
    }
  }
}
