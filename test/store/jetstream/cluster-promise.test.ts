import { expect, test } from "vitest";
import { promiseOf } from "../../../service/store/jetstream/cluster-promise.ts";

test.each([
  ["2.9.10", false, true],
  ["2.9.25", false, true],
  ["2.10.0", true, true],
  ["2.10.22", true, true],
  ["2.10.23", true, false],
  ["2.11.0-RC.1", true, false],
  ["3.0", true, false],
])("what a server does not promise depends on its version: %s", (version, isSyncSettable, mayDiffer) => {
  const promise = promiseOf(version);
  expect(promise.isSyncSettable).toBe(isSyncSettable);
  expect(promise.text).toContain(`nats-server ${version} acks before it syncs`);
  expect(promise.text.includes("a replica that differs")).toBe(mayDiffer);
});
