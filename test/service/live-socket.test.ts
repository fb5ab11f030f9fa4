import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RunningService, runService } from "../support/running-service.ts";
import { connect } from "../support/web-socket-client.ts";

let running: RunningService;
beforeEach(async () => {
  running = await runService();
});
afterEach(() => running.stop());

function live(path = "", query = ""): string {
  return `${running.url}/v1/ws/projects/default${path}/logs?x-api-key=${running.key}${query}`;
}

async function log(src: string, args: object): Promise<void> {
  const { resp } = await running.ask({ v: 1, src, cmds: [{ cmd: "/v1/Log.Log", id: 1, args }] });
  expect(resp).toEqual([{ id: 1, status: 0 }]);
}

async function ids(src: string): Promise<string[]> {
  const args = { src, limit: 1000 };
  const { resp } = await running.ask({ v: 1, cmds: [{ cmd: "/v1/Log.List", id: 1, args }] });
  return (resp as [{ resp: { id: string }[] }])[0].resp.map(({ id }) => id);
}

describe("the live socket", () => {
  test("sends each entry in Golioth's schema, field for field", async () => {
    const client = await connect(live());
    await log("//h/board 1", {
      msg: "Log 1: 33",
      timestamp: 1638386047376,
      level: "Debug",
      module: "golioth_logging",
      uptime: 172271,
    });
    const [id] = await ids("//h/board 1");
    expect(await client.next()).toBe(
      `{"result":{"data":{"timestamp":"2021-12-01T19:14:07.376Z","type":"LOGGING","level":"DEBUG","module":"golioth_logging","moduleId":"","message":"Log 1: 33","metadata":{"stream":"console","uptime":172271},"deviceId":"//h/board 1","id":"${id}"}}}`,
    );
  });

  test("an object is its JSON text, digit for digit; no level is NONE; seq and boot are metadata", async () => {
    const client = await connect(live());
    const body = `{"v":1,"src":"b","boot":"x","cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":{"n": 12345678901234567890}}}]}`;
    await running.post("/", body);
    const { result } = await client.nextJson();
    expect(result).toMatchObject({
      data: {
        message: '{"n": 12345678901234567890}',
        level: "NONE",
        module: "",
        metadata: { stream: "console", boot: "x", seq: 1 },
      },
    });
  });
});
