import { expect, test } from "vitest";
import { decodeFrameText } from "../../protocol/frame-decoder.ts";
import { decodeIngestEntry, encodeIngestEntry } from "../../protocol/ingest-entry.ts";
import { logArgsOf } from "../../protocol/sequencing.ts";

/** The msg of a board's only command, or undefined where the frame or the command is refused. */
function msgOfFrame(msg: string): string | undefined {
  const frame = decodeFrameText(
    `{"v":1,"boot":"b","ack":true,"cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":${msg}}}]}`,
  );
  const [command] = frame.ok ? frame.value.commands : [];
  const args = command === undefined ? undefined : logArgsOf(command);
  return args?.ok ? args.value.msg : undefined;
}

function isTakenByService(msg: string): boolean {
  const entry = { src: "a", stream: "console", msg, timestamp: 1, received: 1, clock: "server" } as const;
  const decoded = decodeIngestEntry(encodeIngestEntry(entry));
  return decoded.ok && decoded.value.msg === msg;
}

test("every msg that is taken from a board is taken from a gateway, byte for byte: a spool would send it again for ever", () => {
  const deep = (count: number): string => "[".repeat(count) + "]".repeat(count);
  const taken = [
    '"half of an emoji \\ud834 [cut: 7 more]"',
    '{"text":"\\udd1e"}',
    '["\\ud834"]',
    '{"a":1,"a":2}',
    '[{"a":1,"a":2}]',
    '{"\\ud834":0}',
    '{"big":1e400,"exact":12345678901234567890}',
    "[]",
    '""',
    deep(16),
  ];
  for (const msg of taken) {
    expect(msgOfFrame(msg), msg).toBe(msg);
    expect(isTakenByService(msg), msg).toBe(true);
  }
});

test("what is not the JSON text of a string, object or array, and nothing around it, is refused", () => {
  const bad = [
    "",
    "1",
    "null",
    '"a',
    '"a" ',
    ' "a"',
    '"a","b"',
    '"\\x"',
    "{a:1}",
    '"line\nbreak"',
    "[".repeat(17) + "]".repeat(17),
  ];
  for (const msg of bad) expect(isTakenByService(msg), msg).toBe(false);
});
