import { setHeapGrowth } from "../host/heap-growth.ts";
import { keepObjectsYoung } from "../host/young-objects.ts";
import { hideSecrets } from "./process-title.ts";

// Before anything else is loaded: until then everybody on the machine may read them.
hideSecrets();
keepObjectsYoung();
setHeapGrowth();
const { runProgram } = await import("./program.ts");
process.exitCode = await runProgram(process.argv.slice(2));
