import { setFlagsFromString } from "node:v8";

/**
 * What is made for a publish lives until its commit. The engine finds such objects alive at two collections of young ones, concludes that
 * the code which makes them makes what stays for good, and from then on puts all of them, also what is gone within a microsecond, where only
 * a full collection finds them. To be called before anything is made: what was compiled by then keeps to what it concluded.
 */
export function keepObjectsYoung(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
}
