// Ways in which our own code could be wrong: each a small change of one source file. `find` must occur exactly once.
const mutant = (file, name, find, replace) => ({ file, name, find, replace });
const committer = (...rest) => mutant("service/store/committer.ts", ...rest);
const recovery = (...rest) => mutant("service/store/recovery.ts", ...rest);
const sealer = (...rest) => mutant("service/store/sealer.ts", ...rest);
const session = (...rest) => mutant("gateway/source-session.ts", ...rest);
const gatewayCommitter = (...rest) => mutant("gateway/committer.ts", ...rest);
const sequencing = (...rest) => mutant("protocol/sequencing.ts", ...rest);
const serial = (...rest) => mutant("gateway/serial-input.ts", ...rest);
const mqtt = (...rest) => mutant("gateway/mqtt-input.ts", ...rest);
const agent = (file, ...rest) => mutant(`firmware-js/agent/${file}.ts`, ...rest);

export const MUTANTS = [
  committer(
    "store: a duplicate takes those behind it with it",
    "accepted ??= entries.slice(0, index);\n        continue;",
    "accepted ??= entries.slice(0, index);\n        break;",
  ),
  committer(
    "store: a loss record moves no mark",
    "if (lost !== undefined) closed += mark.accept(lost.first, lost.last);\n    if (seq",
    "if (lost !== undefined && seq === undefined) return true;\n    if (seq",
  ),
  committer(
    "store: goes on after a failed sync",
    "const reason = this.#core.health.failed(error);",
    "const reason = error as Error;",
  ),
  committer(
    "store: live readers miss the last batch of a group",
    "for (const results of prepared.results) this.#deliver(results);",
    "for (const results of prepared.results.slice(1)) this.#deliver(results);",
  ),
  committer(
    "store: positions are given twice",
    "core.lastPosition = batch.firstPosition + batch.entryCount - 1;",
    "core.lastPosition = batch.firstPosition;",
  ),
  committer(
    "store: only the first of a boot's entries moves its mark",
    "if (seq !== undefined) closed += mark.accept(seq, seq);",
    "if (seq !== undefined && mark.top === 0) closed += mark.accept(seq, seq);",
  ),
  recovery(
    "recovery: marks are not replayed",
    "if (view.seq !== undefined) mark.accept(view.seq, view.seq);",
    "",
  ),
  recovery(
    "recovery: loss records are not replayed into marks",
    "if (view.lost !== undefined) mark.accept(view.lost.first, view.lost.last);",
    "",
  ),
  recovery(
    "recovery: the first batch of a log is skipped",
    "if (firstPosition <= core.sealedPosition) continue;",
    "if (firstPosition <= core.sealedPosition + 1) continue;",
  ),
  recovery(
    "recovery: what was sealed is replayed too",
    "if (firstPosition <= core.sealedPosition) continue;",
    "",
  ),
  recovery(
    "recovery: the log is thrown away",
    "if (count > 0) {\n      core.active.logs.push({ name, kv });",
    "if (count > 1e9) {\n      core.active.logs.push({ name, kv });",
  ),
  recovery(
    "recovery: the position is not taken from the log",
    "core.lastPosition = firstPosition + entryCount - 1;",
    "",
  ),
  recovery(
    "recovery: marks read from the log are not written to the head",
    "source.markChanged(boot, mark);",
    "",
  ),
  recovery(
    "recovery: an unfinished seal stays",
    "if (state.sealing) await removeUnfinishedSeal(core, state);",
    "",
  ),
  sealer("seal: marks and totals are not written", "await this.#writeSources(table);", ""),
  sealer(
    "seal: the change-over comes before the chunks are durable",
    "await writer.finish();",
    "void writer.finish();",
  ),
  sealer(
    "seal: the state never says that a seal began",
    "await core.head.commit([this.#stateChange(true)]);",
    "",
  ),
  mutant(
    "service/store/checked-value.ts",
    "store: checksums are not looked at",
    "return bytes.readUInt32BE(0) === crc32(bytes.subarray(4)) ? bytes : undefined;",
    "return bytes;",
  ),
  mutant(
    "service/store/boot-mark.ts",
    "marks: a range that is partly known is new",
    "if (last > this.top) return true;",
    "if (last >= this.top) return true;",
  ),
  mutant(
    "service/store/boot-mark.ts",
    "marks: never written with their gaps closed",
    "if (first === this.top + 1) {\n      this.top = last;",
    "if (first === this.top + 1) {\n      this.top = first;",
  ),
  mutant(
    "service/store/source-state.ts",
    "marks: forgotten before they are written",
    "if (!mark.dirty) this.#marks.delete(boot);",
    "this.#marks.delete(boot);",
  ),
  mutant(
    "service/store/lister.ts",
    "list: an entry is given to two pages",
    "let cursor = page.after;\n    while (cursor < Math.min(sealed, last)) {\n      const found = reader.chunkAfter",
    "let cursor = Math.max(0, page.after - 1);\n    while (cursor < Math.min(sealed, last)) {\n      const found = reader.chunkAfter",
  ),
  session(
    "gateway: acks before the commit",
    "const waits = committer.accept(project, src, entries, () => this.#becameDurable(outstanding));",
    "this.#becameDurable(outstanding);\n    const waits = committer.accept(project, src, entries, () => {});",
  ),
  session(
    "gateway: a duplicate is not acked again",
    "if (!wantsAck(frame) || outstanding !== lastAck) return NO_REPLY;",
    "if (!wantsAck(frame) || outstanding !== lastAck || outstanding.markAfter < this.#durableMark) return NO_REPLY;",
  ),
  session(
    "gateway: repeats are silent",
    "const outstanding: Outstanding = { order, frame,",
    "if (entries.length === 0) return;\n    const outstanding: Outstanding = { order, frame,",
  ),
  session(
    "gateway: acks what it took, not what is durable",
    "seq: this.#durableMark, ...(resend",
    "seq: this.#acceptedMark ?? 0, ...(resend",
  ),
  session(
    "gateway: the mark moves before the committer has taken the entries",
    "const order = this.#order++;",
    "this.#acceptedMark = mark + (entries.length > 2 ? 1 : 0);\n    const order = this.#order++;",
  ),
  session(
    "gateway: a drop of the board is not recorded",
    "entries.push(lossEntry(src, lost, { where: LossPlace.Agent, why }, receipt.wallMs, id));",
    "",
  ),
  session(
    "gateway: takes the next frame before the one before has its place",
    "const taken = this.#last.then(() => this.#take(frame, receipt, onReply));",
    "const taken = this.#take(frame, receipt, onReply);",
  ),
  session(
    "gateway: never asks to go back",
    "if (resend) counters.add(",
    "if (entries.length === 0 && resend) return;\n    if (resend) counters.add(",
  ),
  session(
    "gateway: a boot's clock starts anew with each frame",
    "this.#clockMap.observe(frame.now, receipt.monotonicMs);",
    "this.#clockMap.observe(frame.now + 500, receipt.monotonicMs);",
  ),
  gatewayCommitter(
    "gateway: gives up after one failed commit",
    "if (!(error instanceof UplinkUnavailable)) throw error;\n        if (this.#abandoned) return;",
    "return;",
  ),
  gatewayCommitter(
    "gateway: two commits of one source under way",
    "await this.#commit(taken);\n      if",
    "void this.#commit(taken);\n      if",
  ),
  gatewayCommitter(
    "gateway: a full queue drops instead of waiting",
    "if (lane !== undefined && this.#isFull(lane, weight, sizeBytes)) return false;",
    "if (lane !== undefined && this.#isFull(lane, weight, sizeBytes)) {\n      onDurable();\n      return true;\n    }",
  ),
  gatewayCommitter(
    "gateway: the last offer of a lane is taken first",
    "const offer = lane?.offers.shift();",
    "const offer = lane && lane.offers.count > 1 && lane.offers.shift() ? lane.offers.shift() : lane?.offers.shift();",
  ),
  gatewayCommitter(
    "gateway: those who wait for room are never called",
    "for (const { resolve } of this.#waiters.splice(0)) resolve();",
    "",
  ),
  gatewayCommitter(
    "gateway: projects are mixed up",
    "const entries = byProject.get(lane.project);",
    "const entries = byProject.values().next().value;",
  ),
  sequencing(
    "protocol: what comes after a gap is taken",
    "resend = true;\n        continue;",
    "resend = true;",
  ),
  sequencing(
    "protocol: what is below the mark is stored again",
    'if (id <= mark) {\n      verdicts.push({ type: "duplicate", id });\n      continue;\n    }',
    "",
  ),
  sequencing(
    "protocol: a drop notice covers its last seq only",
    "const lost = { boot: boot.text, first: mark + 1, last: id };",
    "const lost = { boot: boot.text, first: id, last: id };",
  ),
  sequencing(
    "protocol: what the board no longer holds is not recorded",
    "if (frame.first !== undefined) lose(frame.first - 1, WHY_BELOW_FIRST);",
    "if (frame.first !== undefined && frame.first - 1 > mark) mark = frame.first - 1;",
  ),
  sequencing(
    "protocol: the mark stays behind a drop",
    "mark = id;\n  }",
    "if (drop === undefined) mark = id;\n  }",
  ),
  mutant(
    "protocol/serial-line.ts",
    "serial: checksums are not looked at",
    "if (digits !== undefined && crc32OfLatin1(json) !== Number.parseInt(digits, 16)) {",
    'if (digits === "never") {',
  ),
  mutant(
    "gateway/line-splitter.ts",
    "serial: the end of a chunk is lost",
    "pending += latin1(part.subarray(start));",
    "pending = latin1(part.subarray(start));",
  ),
  serial(
    "serial: console text is thrown away behind a frame",
    "if (texts.length > 0) await this.#intake.text(",
    "if (texts.length > 0 && frame === undefined) await this.#intake.text(",
  ),
  serial(
    "serial: never says hello",
    "#hello(): void {\n",
    "#hello(): void {\n    if (this.#helloCount >= 0) return;\n",
  ),
  serial(
    "serial: the backlog is never read again after a pause",
    "this.#paused = false;\n      this.#link.resume();",
    "this.#link.pause();",
  ),
  mqtt(
    "mqtt: a PUBACK before the commit is taken for one, and the frame forgotten",
    "await this.#intake.frame({ project, src: device }, frame, this.#intake.receipt(), onReply);",
    "if (frame.commands.length > 3) {\n        done(TopicOutcome.Done);\n        return;\n      }\n      await this.#intake.frame({ project, src: device }, frame, this.#intake.receipt(), onReply);",
  ),
  mqtt(
    "mqtt: the broker's next message waits for ever",
    "    if (isAckedEarly) done(TopicOutcome.Done);\n  }\n",
    "  }\n",
  ),
  mqtt(
    "mqtt: acks go to another project's topic",
    "route.answers?.fill({ project, device: src",
    'route.answers?.fill({ project: "default", device: src',
  ),
  mutant("gateway/clock-map.ts", "clock: estimates may fall", "return this.#lastMs;", "return utcMs;"),
  mutant(
    "gateway/clock-map.ts",
    "clock: the slowest frame counts",
    "newest.offsetMs = Math.min(newest.offsetMs, offsetMs);",
    "newest.offsetMs = Math.max(newest.offsetMs, offsetMs);",
  ),
  mutant(
    "gateway/session-table.ts",
    "sessions: busy ones give way too",
    "if (!session.isIdle) continue;",
    "",
  ),
  mutant(
    "gateway/session-table.ts",
    "sessions: boots of one source share a session",
    "const key = `${project} ${src.length} ${src} ${boot.text}`;",
    "const key = `${project} ${src.length} ${src}`;",
  ),
  committer(
    "store: resolves before the disk has synced",
    "await log.kv.commit(changes);",
    "void log.kv.commit(changes);",
  ),
  session(
    "gateway: starts every boot at 0 instead of asking the service",
    "const mark = await uplink.mark(project, src, boot.text, first);",
    "const mark = 0 * (await uplink.mark(project, src, boot.text, first));",
  ),
  agent(
    "ring",
    "agent: forgets a line more than was acked",
    "(chunks[0] as Chunk).n <= upTo) {",
    "(chunks[0] as Chunk).n <= upTo + 1) {",
  ),
  agent("ring", "agent: a dropped line uses up no seq", "      tail.n++;", ""),
  agent("ring", "agent: drops without a notice", 'push(time, time, 1, "", false);', ""),
  agent(
    "downlink",
    "agent: takes any boot's ack",
    "mark <= sentSeq && down.boot === boot",
    "mark <= sentSeq",
  ),
  agent(
    "hook",
    "agent: waits for ever once the link was full",
    "blocked = !send(frame);",
    "blocked = !send(frame) || blocked;",
  ),
];
