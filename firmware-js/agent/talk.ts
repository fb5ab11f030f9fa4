/** Whether frames are sent at all. */
import { settings } from "board";

/** On a shared wire only once somebody was heard (docs/protocol.md 7.7). */
export let talking = WITH_SHARED ? !settings.shared : true;

export function talk(isOn: boolean): void {
  talking = isOn;
}
