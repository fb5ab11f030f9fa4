import type { Clock, Timers } from "../../host/clock.ts";
import { EXTRA_FIELDS } from "../../protocol/methods.ts";
import { follow, type WrittenWalk, writeWalk } from "../entry-walk.ts";
import type { ByteWriter } from "../store/byte-writer.ts";
import { type LogStore, StoreUnavailable, UnknownToken } from "../store/log-store.ts";
import { writeEntries } from "../store/written-page.ts";
import {
  GoliothError,
  goliothErrorAnswer,
  type HttpAnswer,
  type HttpRequest,
  jsonAnswer,
  TYPE_JSON,
} from "./exchange.ts";
import { admitReader, type Gate, refusedAnswer } from "./live-request.ts";
import { QueryNames } from "./query-names.ts";
import { readQueryOf } from "./read-query.ts";

export interface ReadDependencies extends Gate {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly timers: Timers;
}

/**
 * `GET /v1/projects/{projectId}/entries` (docs/protocol.md 10.7): the log in both directions, with filters. Answers
 * `{"entries":[...],"before":id,"after":id,"end":boolean}`: what passes, ascending by id, and the ids to go on from, back with
 * `before`, forward with `after`. `end` says that nothing lies beyond. With `follow=true` it waits, 30 s at most, until an entry
 * passes. A page may be empty and not the end, where nothing of what was looked at passes.
 */
export async function getEntries(request: HttpRequest, dependencies: ReadDependencies): Promise<HttpAnswer> {
  const admitted = await admitReader(request, dependencies, QueryNames.entries);
  if (!admitted.ok) return refusedAnswer(admitted);
  const query = readQueryOf(request, admitted.caller.project);
  if (typeof query === "string") return goliothErrorAnswer(GoliothError.InvalidArgument, query);
  return orStoreError(async () => {
    const body = request.answerBuffer();
    body.characters('{"entries":');
    if (query.follow) {
      const walk = await follow(dependencies, query, request.ended());
      writeEntries(walk.entries, EXTRA_FIELDS, body);
      return walkAnswer(walk, body);
    }
    const form = { isNewest: !query.isAscending, fields: EXTRA_FIELDS };
    return walkAnswer(await writeWalk(dependencies, query, form, body), body);
  });
}

/** `GET /v1/projects/{projectId}/sources` (docs/protocol.md 10.8): who has logged, with the received time of the last entry and how many there are. */
export async function getSources(request: HttpRequest, dependencies: ReadDependencies): Promise<HttpAnswer> {
  const admitted = await admitReader(request, dependencies, QueryNames.sources);
  if (!admitted.ok) return refusedAnswer(admitted);
  return orStoreError(async () =>
    jsonAnswer(200, { sources: await dependencies.store.sources(admitted.caller.project) }),
  );
}

/** The answer, or what to say where the store refuses. */
export async function orStoreError(answer: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof UnknownToken) return goliothErrorAnswer(GoliothError.InvalidArgument, error.message);
    if (!(error instanceof StoreUnavailable)) throw error;
    return goliothErrorAnswer(GoliothError.Unavailable, "the store is unavailable");
  }
}

/** @param body holds the entries */
function walkAnswer({ lowest, highest, isEnd }: WrittenWalk, body: ByteWriter): HttpAnswer {
  const rest = JSON.stringify({ before: lowest ?? null, after: highest ?? null, end: isEnd });
  body.characters(`,${rest.slice(1)}`);
  return { httpStatus: 200, type: TYPE_JSON, body: body.view() };
}
