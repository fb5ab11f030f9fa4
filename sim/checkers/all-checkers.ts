import type { Checker } from "../evidence.ts";
import { acksDurable } from "./acks-durable.ts";
import { allAccounted } from "./all-accounted.ts";
import { bootsApart } from "./boots-apart.ts";
import { cursorBeforeRemoval } from "./cursor-before-removal.ts";
import { damageFound } from "./damage-found.ts";
import { dropsCounted } from "./drops-counted.ts";
import { listedOnce } from "./listed-once.ts";
import { marksTrue } from "./marks-true.ts";
import { onlyAuthorised } from "./only-authorised.ts";
import { onlyLogged } from "./only-logged.ts";
import { progressResumes } from "./progress-resumes.ts";
import { projectsApart } from "./projects-apart.ts";
import { queuesDrain } from "./queues-drain.ts";
import { sameAfterReopening } from "./same-after-reopening.ts";
import { seqOrder } from "./seq-order.ts";
import { spoolBounded } from "./spool-bounded.ts";
import { tailIsSuffix } from "./tail-is-suffix.ts";
import { timestampsTrue } from "./timestamps-true.ts";
import { tokensLeadOn } from "./tokens-lead-on.ts";

/** In the order of their numbers; 20 is judged by running twice. */
export const CHECKERS: readonly Checker[] = [
  listedOnce,
  onlyLogged,
  seqOrder,
  allAccounted,
  dropsCounted,
  acksDurable,
  marksTrue,
  sameAfterReopening,
  cursorBeforeRemoval,
  spoolBounded,
  progressResumes,
  damageFound,
  bootsApart,
  timestampsTrue,
  tokensLeadOn,
  tailIsSuffix,
  projectsApart,
  onlyAuthorised,
  queuesDrain,
];
