import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { LEVEL_RANK, LEVELS, type Level } from "../protocol/level.ts";
import { followLog, isKeyGood, type LiveState, type ShownEntry } from "./live-log.ts";

/** Lines kept in the page; the oldest go first, the service still has them. */
const LINES_MAX = 2000;
/** The key stays in this tab: neither in the URL nor on disk. */
const KEY_ITEM = "boardlog-key";
const PROJECT = "default";

const STATE_WORDS: Readonly<Record<LiveState, string>> = {
  connecting: "connecting…",
  live: "live",
  away: "no connection, trying again…",
  refused: "refused",
};

export function Page() {
  const [key, setKey] = useState(() => sessionStorage.getItem(KEY_ITEM) ?? undefined);
  const signIn = (given: string): void => {
    sessionStorage.setItem(KEY_ITEM, given);
    setKey(given);
  };
  const signOut = (): void => {
    sessionStorage.removeItem(KEY_ITEM);
    setKey(undefined);
  };
  return key === undefined ? <SignIn onKey={signIn} /> : <Log apiKey={key} onSignOut={signOut} />;
}

function SignIn({ onKey }: { readonly onKey: (key: string) => void }) {
  const [problem, setProblem] = useState("");
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const key = String(form.get("key")).trim();
    try {
      if (await isKeyGood(key)) onKey(key);
      else setProblem("The service does not know this key.");
    } catch {
      setProblem("The service does not answer.");
    }
  };
  return (
    <form class="card" onSubmit={submit}>
      <h1>boardlog</h1>
      <label for="key">API key</label>
      <input id="key" name="key" type="password" autocomplete="off" required />
      <p>
        On the machine that runs boardlog it is in the file <code>api-key</code> of the data folder:{" "}
        <code>cat boardlog-data/api-key</code>
      </p>
      <button type="submit">Show the log</button>
      <p role="alert">{problem}</p>
    </form>
  );
}

function Log({ apiKey, onSignOut }: { readonly apiKey: string; readonly onSignOut: () => void }) {
  const [state, setState] = useState<LiveState>("connecting");
  const [entries, setEntries] = useState<readonly ShownEntry[]>([]);
  const [least, setLeast] = useState<Level | "">("");
  const [term, setTerm] = useState("");
  useEffect(() => followEntries(apiKey, setState, setEntries), [apiKey]);
  const shown = useMemo(() => entries.filter((entry) => passes(entry, least, term)), [entries, least, term]);
  return (
    <>
      <header>
        <h1>boardlog</h1>
        <span class="state" role="status">
          {STATE_WORDS[state]}
        </span>
        <span class="spring" />
        <select
          aria-label="Level"
          value={least}
          onChange={(event) => setLeast(event.currentTarget.value as Level | "")}
        >
          <option value="">all levels</option>
          {LEVELS.map((level) => (
            <option key={level} value={level}>{`${level} and above`}</option>
          ))}
        </select>
        <input
          type="search"
          aria-label="Text"
          placeholder="text"
          value={term}
          onInput={(event) => setTerm(event.currentTarget.value)}
        />
        <button type="button" onClick={onSignOut}>
          Sign out
        </button>
      </header>
      <Lines entries={shown} />
    </>
  );
}

function Lines({ entries }: { readonly entries: readonly ShownEntry[] }) {
  const list = useRef<HTMLOListElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    if (isAtEnd.current) list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [entries]);
  if (entries.length === 0) {
    return (
      <p class="card">
        Nothing to show yet. Plug in a board and run <code>boardlog up --serial /dev/ttyUSB0</code>, or try{" "}
        <code>boardlog up --demo</code>.
      </p>
    );
  }
  return (
    <ol
      class="log"
      aria-label="Log"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard.
      tabIndex={0}
      ref={list}
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        isAtEnd.current = scrollTop + clientHeight > scrollHeight - 20;
      }}
    >
      {entries.map((entry) => (
        <li key={entry.id}>
          <time dateTime={entry.timestamp}>{new Date(entry.timestamp).toLocaleTimeString()}</time>
          <span class="src">{entry.src}</span>
          <span class={`text ${entry.level ?? ""}`}>{entry.text}</span>
        </li>
      ))}
    </ol>
  );
}

/** Entries come in bursts; one update an animation frame keeps the page smooth. */
function followEntries(
  apiKey: string,
  setState: (state: LiveState) => void,
  setEntries: (update: (before: readonly ShownEntry[]) => readonly ShownEntry[]) => void,
): () => void {
  let waiting: ShownEntry[] = [];
  const flush = (): void => {
    const added = waiting;
    waiting = [];
    setEntries((before) => [...before, ...added].slice(-LINES_MAX));
  };
  return followLog(PROJECT, apiKey, {
    state: setState,
    entry: (entry) => {
      waiting.push(entry);
      if (waiting.length === 1) requestAnimationFrame(flush);
    },
  });
}

function passes(entry: ShownEntry, least: Level | "", term: string): boolean {
  if (least !== "" && (entry.level === undefined || LEVEL_RANK[entry.level] < LEVEL_RANK[least]))
    return false;
  return term === "" || entry.text.toLowerCase().includes(term.toLowerCase());
}
