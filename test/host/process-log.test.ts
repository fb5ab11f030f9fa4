import { describe, expect, test } from "vitest";
import { createProcessLog } from "../../host/process-log.ts";

/** A key as `service/auth/api-key.ts` makes them. */
const CANARY = `blk_0123abcd_${"Qx7-_".repeat(8)}abc`;
/** A secret that does not look like one: only its place gives it away. */
const PLAIN = "correct-horse";

function written(write: (log: ReturnType<typeof createProcessLog>) => void): string {
  let text = "";
  write(createProcessLog({ level: "debug", destination: { write: (line) => (text += line) } }));
  return text;
}

describe("the process's log", () => {
  test.each<[string, object]>([
    ["a field named key", { key: PLAIN }],
    ["a header", { headers: { "x-api-key": PLAIN, Authorization: `Bearer ${PLAIN}` } }],
    ["a query", { url: `/v1/ws/projects/default/logs?x-api-key=${PLAIN}&last=5` }],
    ["a jwt in a query", { url: `/logs?last=5&jwt=${PLAIN}` }],
    ["a URL object", { url: new URL(`http://h/logs?key=${PLAIN}`) }],
    ["a broker's URL", { broker: `mqtt://user:${PLAIN}@broker.example:1883` }],
    ["a password", { settings: { mqtt: { password: PLAIN } } }],
    ["an array", { values: [{ token: PLAIN }] }],
    ["an error's text", { error: new Error(`GET /logs?x-api-key=${PLAIN} failed`) }],
    ["an error's cause", { error: new Error("failed", { cause: new Error(`Bearer ${PLAIN}`) }) }],
    ["a key anywhere", { some: { thing: `got ${CANARY}, sorry` } }],
    ["bytes", { body: Buffer.from(`{"key":"${PLAIN}"}`) }],
  ])("no secret out of %s", (_name, fields) => {
    const text = written((log) => {
      log.debug(fields, "debug");
      log.error(fields, `failed with Bearer ${PLAIN} and ${CANARY}`);
    });
    expect(text.split("\n")).toHaveLength(3);
    expect(text).not.toContain(PLAIN);
    expect(text).not.toContain(CANARY);
    expect(text).toContain("[redacted]");
  });

  test("what is no secret is written as it is", () => {
    const text = written((log) =>
      log.info({ url: "http://127.0.0.1:7480", count: 3, keyId: "abc" }, "listens"),
    );
    expect(JSON.parse(text)).toMatchObject({
      url: "http://127.0.0.1:7480",
      count: 3,
      keyId: "abc",
      msg: "listens",
    });
  });

  test("an error keeps its type, code and stack", () => {
    const error = Object.assign(new RangeError("no room"), { code: "ENOSPC" });
    const { error: logged } = JSON.parse(written((log) => log.error({ error }, "failed")));
    expect(logged).toMatchObject({ type: "RangeError", message: "no room", code: "ENOSPC" });
    expect(logged.stack).toContain("process-log.test.ts");
  });

  test("lines below the level are not written", () => {
    let text = "";
    const log = createProcessLog({ level: "warn", destination: { write: (line) => (text += line) } });
    log.info({}, "no");
    log.warn({}, "yes");
    expect(text.match(/"msg":"\w+"/g)).toEqual(['"msg":"yes"']);
  });

  test("a field that holds itself does not hang the log", () => {
    const loop: { self?: object } = {};
    loop.self = loop;
    expect(written((log) => log.info(loop, "loop"))).toContain("[deeper]");
  });
});
