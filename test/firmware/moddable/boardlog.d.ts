/** The built bundle, which the test puts in. */
declare module "boardlog" {
  export function start(options: object): import("../../../firmware-js/agent/env.ts").Agent;
}
