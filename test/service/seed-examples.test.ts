import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RunningService, runService } from "../support/running-service.ts";

let running: RunningService;
beforeEach(async () => {
  running = await runService();
});
afterEach(() => running.stop());

// Requests and responses as docs/seeds/log-service.md prints them.
const LOG_REQUEST = `{
  "v": 1,
  "src": "//api.cesanta.com/device_123",
  "dst": "//api.cesanta.com",
  "cmds": [
    {
      "cmd": "/v1/Log.Log",
      "id": 123,
      "args": {
        "msg": "hello world!"
      }
    }
  ]
}
`;
const LIST_REQUEST = `{
  "v": 1,
  "src": "//api.cesanta.com/user_123",
  "dst": "//api.cesanta.com",
  "cmds": [
    {
      "cmd": "/v1/Log.List",
      "id": 123,
      "args": {
        "src": "//api.cesanta.com/device_123",
        "limit": 10,
        "stream": "console"
      }
    }
  ]
}

`;

describe("the seed's examples, verbatim", () => {
  test("Log.Log gets the seed's response", async () => {
    const response = await running.post("/", LOG_REQUEST);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(
      '{"v":1,"src":"//api.cesanta.com","dst":"//api.cesanta.com/device_123","resp":[{"id":123,"status":0}]}',
    );
  });

  test("Log.List gets the seed's response, but for time and id", async () => {
    const before = Date.now();
    await running.post("/", LOG_REQUEST);
    const text = await (await running.post("/", LIST_REQUEST)).text();
    const answer = JSON.parse(text);
    const { timestamp, id } = answer.resp[0].resp[0];
    expect(text).toBe(
      `{"v":1,"src":"//api.cesanta.com","dst":"//api.cesanta.com/user_123","resp":[{"id":123,"status":0,"resp":[{"stream":"console","msg":"hello world!","timestamp":${timestamp},"id":"${id}"}]}]}`,
    );
    expect(Number.isInteger(timestamp) && timestamp >= before && timestamp <= Date.now()).toBe(true);
    expect(id).toMatch(/^[\w-]{1,64}$/);
  });

  test("a fresh source lists as an empty array", async () => {
    const answer = JSON.parse(await (await running.post("/", LIST_REQUEST)).text());
    expect(answer.resp).toEqual([{ id: 123, status: 0, resp: [] }]);
  });
});
