// Ways in which our own code could be wrong: each a small change of one source file. `find` must occur exactly once. `needs` names
// faults without which the changed place is not come to, or does no harm: seeds without them need not be run.
const mutant = (file, name, find, replace, needs = []) => ({ file, name, find, replace, needs });
const committer = (...rest) => mutant("service/store/committer.ts", ...rest);
const journal = (...rest) => mutant("service/store/journal-content.ts", ...rest);
const recovery = (...rest) => mutant("service/store/recovery.ts", ...rest);
const sealer = (...rest) => mutant("service/store/sealer.ts", ...rest);
const session = (...rest) => mutant("gateway/source-session.ts", ...rest);
const gatewayCommitter = (...rest) => mutant("gateway/committer.ts", ...rest);
const sequencing = (...rest) => mutant("protocol/sequencing.ts", ...rest);
const serial = (...rest) => mutant("gateway/serial-input.ts", ...rest);
const mqtt = (...rest) => mutant("gateway/mqtt-input.ts", ...rest);
const spool = (file, ...rest) => mutant(`gateway/spool/${file}.ts`, ...rest);
const spoolRecovery = (...rest) => mutant("gateway/spool/spool-recovery.ts", ...rest);
const forwarder = (...rest) => mutant("gateway/forwarder.ts", ...rest);
const ingest = (...rest) => mutant("service/ingest/ingest-handlers.ts", ...rest);
const agent = (file, ...rest) => mutant(`firmware-js/agent/${file}.ts`, ...rest);

export const MUTANTS = [
  journal(
    "journal: a transaction that was cut short is taken",
    "if (!isBodyGood(file, at, record) && nextRecord(file, end) === undefined) break;",
    "",
  ),
  committer(
    "store: a duplicate takes those behind it with it",
    "accepted ??= entries.slice(0, index);\n        continue;",
    "accepted ??= entries.slice(0, index);\n        break;",
  ),
  committer(
    "store: lines in columns that come again are stored again",
    "if (lines.seqFirst !== mark.top + 1) return false;",
    "if (lines.seqFirst > mark.top + 1) return false;",
    ["serviceCrash"],
  ),
  committer(
    "store: a loss record moves no mark",
    "const losses = acceptEntry(mark, entry);",
    "if (lost !== undefined && seq === undefined) return NO_LOSSES;\n    const losses = acceptEntry(mark, entry);",
    ["smallSpool", "uplinkOutage"],
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
  mutant(
    "service/store/boot-mark.ts",
    "store: only the first of a boot's entries moves its mark",
    "const more = seq === undefined ? NO_GAPS : mark.accept(seq, seq);",
    "const more = seq === undefined || mark.top > 0 ? NO_GAPS : mark.accept(seq, seq);",
  ),
  recovery(
    "recovery: marks are not replayed",
    "if (view.seq !== undefined) mark.accept(view.seq, view.seq);",
    "",
  ),
  recovery(
    "recovery: drops are not replayed into marks",
    "if (view.lost !== undefined) mark.accept(view.lost.first, view.lost.last);\n    if (view.seq !== undefined) mark.accept(view.seq, view.seq);",
    "if (view.seq !== undefined && view.lost === undefined) mark.accept(view.seq, view.seq);",
    ["smallRing", "serviceCrash"],
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
    ["serviceCrash"],
  ),
  recovery(
    "recovery: the log is thrown away",
    "if (count > 0 || damage !== undefined) {\n      core.active.logs.push({ name, kv });",
    "if (damage !== undefined) {\n      core.active.logs.push({ name, kv });",
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
    ["serviceCrash"],
  ),
  recovery(
    "recovery: an unfinished seal stays",
    "if (state.sealing) await removeUnfinishedSeal(core, state);",
    "",
    ["serviceCrash"],
  ),
  sealer("seal: marks and totals are not written", "await this.#writeSources(table);", ""),
  sealer(
    "seal: the change-over comes before the chunks are durable",
    "await writer.finish();",
    "void writer.finish();",
    ["serviceCrash"],
  ),
  sealer(
    "seal: the state never says that a seal began",
    "await core.head.commit([stateChange(core, { sealing: true })]);",
    "",
    ["serviceCrash"],
  ),
  mutant(
    "service/store/checked-value.ts",
    "store: checksums are not looked at",
    "return bytes.readUInt32BE(0) === crc32(bytes.subarray(4)) ? bytes : undefined;",
    "return bytes;",
    ["bitFlip"],
  ),
  mutant(
    "service/store/boot-mark.ts",
    "marks: a range that is partly known is new",
    "if (last > this.top) return true;",
    "if (last >= this.top) return true;",
  ),
  mutant(
    "service/store/boot-mark.ts",
    "marks: a range moves the mark too far",
    "if (first === this.top + 1) {\n      this.top = last;",
    "if (first === this.top + 1) {\n      this.top = last + (last > first ? 1 : 0);",
    ["smallRing"],
  ),
  mutant(
    "service/store/source-state.ts",
    "marks: forgotten before they are written",
    "if (!mark.dirty) this.#marks.delete(boot);",
    "this.#marks.delete(boot);",
    ["fewMarks"],
  ),
  mutant(
    "service/store/lister.ts",
    "list: an entry is given to two pages",
    "let cursor = Math.max(page.after, gone?.through ?? 0);",
    "let cursor = Math.max(0, page.after - 1);",
  ),
  session(
    "gateway: acks before the commit",
    "const waits = committer.accept(project, src, entries, () => this.#becameDurable(outstanding), this.#key);",
    "this.#becameDurable(outstanding);\n    const waits = committer.accept(project, src, entries, () => {});",
  ),
  session(
    "gateway: repeats are silent",
    "const { markAfter } = outstanding;",
    "if (entries.length === 0) return undefined;\n    const { markAfter } = outstanding;",
  ),
  session(
    "gateway: acks what it took, not what is durable",
    "seq: this.#durableMark, ...(resend",
    "seq: this.#acceptedMark ?? 0, ...(resend",
  ),
  session(
    "gateway: the mark moves one too far",
    "this.#acceptedMark = markAfter;\n      return undefined;",
    "this.#acceptedMark = markAfter + (entries.length > 2 ? 1 : 0);\n      return undefined;",
  ),
  session(
    "gateway: a drop of the board is not recorded",
    "if (entry !== undefined) entries.push(entry);",
    'if (entry !== undefined && verdict.type !== "drop") entries.push(entry);',
  ),
  session(
    "gateway: a boot's clock starts anew with each frame",
    "this.#clockMap.observe(frame.now, receipt.monotonicMs, frame.first);",
    "this.#clockMap.observe(frame.now + 500, receipt.monotonicMs, frame.first);",
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
    "if (lane.waiters.count > 0 || !this.#isQueueOpen || !this.#hasRoom(lane, offer)) return offer;",
    "if (lane.waiters.count > 0 || !this.#isQueueOpen || !this.#hasRoom(lane, offer)) {\n      onDurable();\n      return undefined;\n    }",
  ),
  gatewayCommitter(
    "gateway: the last offer of a lane is taken first",
    "const offer = lane?.offers.shift();",
    "const offer = lane && lane.offers.count > 1 && lane.offers.shift() ? lane.offers.shift() : lane?.offers.shift();",
  ),
  gatewayCommitter(
    "gateway: those who wait for room are never called",
    "this.#callWaiters();\n    for",
    "for",
  ),
  mutant(
    "gateway/project-batches.ts",
    "gateway: projects are mixed up",
    "let list = this.#byProject.get(project);",
    "let list = this.#byProject.values().next().value;",
    ["slowCommit"],
  ),
  sequencing(
    "protocol: what comes after a gap is taken",
    "resend = true;\n        continue;",
    "resend = true;",
  ),
  sequencing(
    "protocol: lines behind a gap are taken",
    "return lines?.seqFirst === mark + 1 ? lines : undefined;",
    "return lines !== undefined && lines.seqFirst > mark ? lines : undefined;",
  ),
  sequencing(
    "protocol: what is below the mark is stored again",
    "if (id <= mark) {\n      const isLine",
    "if (id < mark) {\n      const isLine",
  ),
  sequencing(
    "protocol: a drop notice covers its last seq only",
    "const lost = { boot: boot.text, first: mark + 1, last: id };",
    "const lost = { boot: boot.text, first: id, last: id };",
  ),
  sequencing(
    "protocol: what the board no longer holds is not recorded",
    "verdicts.push(lostOnLink(boot, mark + 1, frame.first - 1, WHY_BELOW_FIRST));",
    "",
    ["diskRestored"],
  ),
  sequencing(
    "protocol: the mark stays behind a drop",
    "mark = id;\n  }",
    "if (drop === undefined) mark = id;\n  }",
  ),
  mutant(
    "protocol/serial-line.ts",
    "serial: checksums are not looked at",
    "const isChecked = digits !== undefined && crc32OfLatin1(json) === Number.parseInt(digits, 16);",
    "const isChecked = digits !== undefined;",
    ["serialNoise"],
  ),
  mutant(
    "gateway/line-splitter.ts",
    "serial: the end of a chunk is lost",
    'this.#pending = lines.pop() ?? "";',
    'lines.pop();\n    this.#pending = "";',
  ),
  serial(
    "serial: console text is thrown away behind a frame",
    "texts.length > 0 ? this.#intake.text(",
    "texts.length > 0 && frame === undefined ? this.#intake.text(",
  ),
  mqtt(
    "mqtt: a PUBACK before the commit is taken for one, and the frame forgotten",
    "const receipt = this.#wallClock.receipt();\n    const waits",
    "const receipt = this.#wallClock.receipt();\n    if (frame.commands.length > 3) {\n      done(TopicOutcome.Done);\n      return undefined;\n    }\n    const waits",
  ),
  mqtt(
    "mqtt: the broker's next message waits for ever",
    "if (waits !== undefined) return waits.then(() => done(TopicOutcome.Done));\n    done(TopicOutcome.Done);",
    "if (waits !== undefined) return waits.then(() => done(TopicOutcome.Done));",
  ),
  mqtt(
    "mqtt: acks go to another project's topic",
    "route.answers?.fill({ project, device: src",
    'route.answers?.fill({ project: "default", device: src',
  ),
  mutant("gateway/clock-map.ts", "clock: estimates may fall", "Math.max(this.#lastMs, utcMs);", "utcMs;"),
  mutant(
    "gateway/clock-map.ts",
    "clock: one of 32 bits that begins again is taken for one that was set back",
    "if (ahead < -WRAP_MS / 2) this.#wrappedMs += WRAP_MS;",
    "",
    ["clockWrap"],
  ),
  mutant(
    "gateway/clock-map.ts",
    "clock: lines of before it began again are dated behind it",
    "return uptimeMs + this.#wrappedMs - (ahead > WRAP_MS / 2 ? WRAP_MS : 0);",
    "return uptimeMs + this.#wrappedMs;",
    ["clockWrap"],
  ),
  mutant(
    "gateway/clock-map.ts",
    "clock: the error is called smaller than it may be",
    "const spread = Math.max(upper - offsetMs, offsetMs - lower) + GRAIN_MS;",
    "const spread = GRAIN_MS;",
  ),
  mutant(
    "gateway/spool/unset-spans.ts",
    "clock: lines of before it was set are dated a second late",
    "span.shiftMs = Math.round(offsetMs - span.offsetMs);",
    "span.shiftMs = 1_000 + Math.round(offsetMs - span.offsetMs);",
    ["gatewayClockUnset"],
  ),
  mutant(
    "gateway/conflict-finder.ts",
    "gateway: every duplicate is another line",
    "this.#lines.isOther(verdict.id, hashOfLine(verdict.args), mark)",
    "verdict.id <= mark",
  ),
  mutant(
    "gateway/session-table.ts",
    "sessions: busy ones give way too",
    "this.#sessions.evict((session) => session.isIdle)",
    "this.#sessions.evict(() => true)",
    ["fewSessions"],
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
    ["serviceCrash"],
  ),
  mutant(
    "gateway/spool/segment.ts",
    "spool: resolves before the disk has synced",
    "await this.#file.sync();",
    "void this.#file.sync().catch(() => {});",
    ["gatewayCrash"],
  ),
  spool(
    "spool-writer",
    "spool: goes on in the same segment after a failed sync",
    "const writer = this.#writer;\n    this.#writer = undefined;\n    const isFull",
    "const writer = this.#writer;\n    const isFull",
    ["diskWriteFails", "gatewayCrash"],
  ),
  spool(
    "segment-sweep",
    "spool: a segment is removed before the cursor is written",
    "if (!cursor.isWrittenThrough(lastPosition)) await cursor.write();",
    "",
  ),
  spool(
    "spool-writer",
    "spool: a segment that went on after it was forwarded is removed",
    "if (records.length > 0) segment.forwardedAtMs = undefined;",
    "",
    ["uplinkOutage"],
  ),
  spool(
    "unsynced-tail",
    "spool: a power cut while the tail is written anew takes some of it",
    "await this.#world.disk.replace(list.pathOf(anew), anew.content);\n      await writer.openSegment(anew);",
    "await writer.openSegment(anew);\n      const file = await this.#world.disk.openAppend(list.pathOf(anew));\n      await file.append(anew.content);\n      await file.sync();\n      await file.close();",
    ["gatewayCrash", "uplinkOutage"],
  ),
  spool("spool", "spool: what a killed process wrote counts as synced", "await spool.#secureTail();", "", [
    "killedWriting",
  ]),
  spool("spool", "spool: damage is not written down", "await spool.#damage.note(recovered);", "", [
    "diskBlock",
  ]),
  spool(
    "spool-room",
    "spool: evicts without a loss record",
    "await this.#spool.writeLosses(losses, range.last >= range.first ? [range] : []);",
    "",
    ["smallSpool", "uplinkOutage"],
  ),
  spool(
    "spool-room",
    "spool: what was evicted is sent from memory",
    "    tail.dropThrough(range.last);\n    let entryCount = 0;",
    "    let entryCount = 0;",
    ["smallSpool"],
  ),
  spool(
    "spool",
    "spool: positions are given again after an opening",
    "const durable = Math.max(opened.lastPosition, cursor.forwarded, outputs.highest);",
    "const durable = Math.max(cursor.forwarded, outputs.highest);",
  ),
  spool(
    "service-greeting",
    "spool: does not notice that its disk is older than what the service has",
    "if (servicePosition > sent) {",
    "if (servicePosition > sent && sent < 0) {",
    ["diskRestored"],
  ),
  spool(
    "service-greeting",
    "spool: does not go back for a service that lost something",
    "await spool.confirm(Math.max(servicePosition, oldest - 1));",
    "await spool.confirm(Math.max(servicePosition, oldest - 1, spool.cursor.forwarded));",
    ["storeRestored"],
  ),
  spool(
    "spool-writer",
    "spool: has no limit",
    "if (!isReserved) await this.#spool.room.make(HEADER_BYTES + headBytes + entryBytes);",
    "",
    ["smallSpool", "uplinkOutage"],
  ),
  spool(
    "spool-writer",
    "spool: takes nothing more once the disk was full",
    "const isFull = isDiskFull(cause);",
    "const isFull = isDiskFull(cause);\n    this.#isClosed = isFull;",
  ),
  spool(
    "spool-writer",
    "spool: a failed commit counts",
    "throw await this.failed(error);",
    "await this.failed(error);",
  ),
  spoolRecovery(
    "spool: marks of removed segments are forgotten",
    "for (const record of wholeWrites(scanned.content)) {\n    if (record.kind === RecordKind.Marks) marks.decode(record.payload);",
    "for (const record of wholeWrites(scanned.content)) {",
    ["gatewayCrash"],
  ),
  mutant(
    "gateway/spool/insist.ts",
    "spool: one failed read at the opening gives a segment up",
    "if (triesLeft === 0) throw error;",
    "throw error;",
    ["diskReadGlitch", "gatewayCrash"],
  ),
  forwarder(
    "forwarder: takes what it sent for stored",
    "await spool.confirm(stored.position);",
    "await spool.confirm(readThrough);",
    ["serviceCrash"],
  ),
  forwarder(
    "forwarder: begins behind what waited when the connection came",
    "let after = await this.#greet();\n    let readThrough = spool.position;",
    "let after = await this.#greet();\n    let readThrough = spool.durable;",
    ["uplinkOutage"],
  ),
  forwarder(
    "forwarder: goes on from where it was, whatever the service says on connect",
    "let after = await this.#greet();\n    let readThrough = spool.position;",
    "let readThrough = spool.position;\n    await this.#greet();\n    let after = readThrough;",
    ["uplinkAnswerLost"],
  ),
  ingest(
    "ingest: stores again what it has",
    "entries.filter(({ position }) => position > stands)",
    "entries.filter(({ position }) => position > 0 * stands)",
    ["stalledSync"],
  ),
  ingest(
    "ingest: the position comes in a second transaction",
    "await appender.append([batch], { project, gateway, epoch, position: last });",
    "await appender.append([batch]);\n        await appender.append([], { project, gateway, epoch, position: last });",
    ["serviceCrash"],
  ),
  ingest(
    "ingest: takes a batch although the one before is missing",
    "if (after > stands) {",
    "if (after > stands && stands < 0) {",
    ["serviceDiskFull"],
  ),
  ingest(
    "ingest: lets in a key of another project",
    "if (caller.project !== request.params.projectId)",
    "if (caller.project === undefined)",
    ["intruder"],
  ),
  ingest(
    "ingest: does not ask for the right to log on behalf of others",
    ' || !mayDo(caller, "on-behalf")',
    "",
    ["intruder"],
  ),
  sealer(
    "seal: positions of spools go with the log",
    "[...core.spools.changes(), stateChange(core, sealed)]",
    "[stateChange(core, sealed)]",
    ["serviceCrash"],
  ),
  agent(
    "ring",
    "agent: forgets a line more than was acked",
    "(chunks[0] as Chunk).n <= upTo) {",
    "(chunks[0] as Chunk).n <= upTo + 1) {",
  ),
  agent("ring", "agent: a dropped line uses up no seq", "(tail as Chunk).n++;", ""),
  agent("ring", "agent: drops without a notice", "chunks.push({ a: time, n: 1, b: CHUNK_BYTES, s: 0 });", ""),
  agent(
    "downlink",
    "agent: takes any boot's ack",
    "mark <= sentSeq && down.boot === boot",
    "mark <= sentSeq",
  ),
  agent(
    "delivery",
    "agent: waits for ever once the link was full",
    "export function ready(): void {\n  unblock();",
    "export function ready(): void {",
    ["linkFull"],
  ),
];

/** The file's text with the mistake in it. */
export function plant({ file, name, find, replace }, text) {
  const count = text.split(find).length - 1;
  if (count !== 1) throw new Error(`${name}: found ${count} times in ${file}: ${find}`);
  return text.replace(find, () => replace);
}
