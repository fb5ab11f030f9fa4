import { useState } from "preact/hooks";
import { type Access, BOARD_TOLD, serviceNow, setLevel } from "./api.ts";
import { visible } from "./shown-text.ts";
import { clockText } from "./time-text.ts";

const LEVELS_OFFERED: readonly (readonly [string, string])[] = [
  ["debug", "debug and above"],
  ["info", "info and above"],
  ["warn", "warn and above"],
  ["error", "errors only"],
  ["all", "everything"],
  ["none", "nothing"],
  ["own", "its own setting"],
];
const TIMES_OFFERED: readonly (readonly [number, string])[] = [
  [60_000, "1 minute"],
  [600_000, "10 minutes"],
  [3_600_000, "1 hour"],
  [86_400_000, "1 day"],
];

/** How much one board logs, for a time (docs/protocol.md 14.5). The board falls back by itself. */
export function LevelControl({ access, src }: { readonly access: Access; readonly src: string }) {
  const [level, setChosenLevel] = useState("debug");
  const [forMs, setForMs] = useState(600_000);
  const [words, setWords] = useState("");
  const isOwn = level === "own";
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    setWords("asking…");
    const lease = { level: isOwn ? "all" : level, forMs: isOwn ? 0 : forMs };
    const answer = await setLevel(access, src, lease).catch((error: Error) => error.message);
    const until = clockText(serviceNow() + lease.forMs).slice(0, 8);
    setWords(answer === BOARD_TOLD && !isOwn ? `${answer} It falls back by itself at ${until}.` : answer);
  };
  return (
    <form class="level-control" aria-label="Level of the board" onSubmit={send}>
      <h2>
        Level of <bdi>{visible(src)}</bdi>
      </h2>
      <select
        aria-label="Least level"
        value={level}
        onChange={(event) => setChosenLevel(event.currentTarget.value)}
      >
        {LEVELS_OFFERED.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      <select
        aria-label="For how long"
        value={forMs}
        disabled={isOwn}
        onChange={(event) => setForMs(Number(event.currentTarget.value))}
      >
        {TIMES_OFFERED.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      <button type="submit" class="primary">
        Set level
      </button>
      <p role="status">{words}</p>
    </form>
  );
}
