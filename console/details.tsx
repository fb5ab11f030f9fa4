import { useState } from "preact/hooks";
import { STREAM_LOSS } from "../protocol/entry.ts";
import { copyText } from "./clipboard.ts";
import { type Entry, entryJson } from "./entry.ts";
import { JsonTree } from "./json-tree.tsx";
import { ShownText } from "./line-row.tsx";
import { visible } from "./shown-text.ts";
import { fullText } from "./time-text.ts";

/** All of one line: every field, the whole text or the object as a tree; copy it or a link to it. */
export function Details(props: {
  readonly entry: Entry;
  readonly link: string;
  readonly pattern: RegExp | undefined;
  readonly onClose: () => void;
}) {
  const { entry } = props;
  const [copied, setCopied] = useState("");
  const copy = async (what: string, text: string): Promise<void> =>
    setCopied((await copyText(text)) ? `${what} copied` : "copying is not allowed here");
  const tree = treeOf(entry);
  const clockError = entry.clockError === undefined ? "" : ` (± ${entry.clockError} ms)`;
  const rows: readonly (readonly [string, string | number | undefined])[] = [
    ["Time", `${fullText(entry.timestamp)}${clockError}`],
    ["Clock", entry.clock],
    ["Received", entry.received === undefined ? undefined : fullText(entry.received)],
    ["Source", entry.src],
    ["Stream", entry.stream],
    ["Level", entry.level],
    ["Module", entry.module],
    ["Boot", entry.boot],
    ["Seq", entry.seq],
    ["Uptime", entry.uptime === undefined ? undefined : `${entry.uptime} ms`],
    ["Id", entry.id],
  ];
  return (
    <section class="details" aria-label="Line in full">
      <div class="actions">
        <h2>Line</h2>
        <span role="status">{copied}</span>
        <button type="button" onClick={() => copy("Link", props.link)}>
          Copy link
        </button>
        <button type="button" onClick={() => copy("JSON", entryJson(entry))}>
          Copy as JSON
        </button>
        <button type="button" onClick={props.onClose} aria-label="Close the details">
          ✕
        </button>
      </div>
      <div class="body">
        {(!isObject(entry) || entry.stream === STREAM_LOSS) && (
          <p class="whole">
            <ShownText text={entry.text} pattern={props.pattern} />
          </p>
        )}
        {tree !== undefined && <JsonTree value={tree} />}
        <dl>
          {rows.map(([name, value]) =>
            value === undefined ? null : (
              <div key={name}>
                <dt>{name}</dt>
                <dd>
                  <bdi>{visible(String(value))}</bdi>
                </dd>
              </div>
            ),
          )}
        </dl>
      </div>
    </section>
  );
}

function isObject({ msg }: Entry): boolean {
  return !msg.startsWith('"');
}

/** The object or array that an entry is, or that its text is in JSON. */
function treeOf(entry: Entry): unknown {
  if (isObject(entry)) return JSON.parse(entry.msg);
  if (!/^\s*[{[]/.test(entry.text)) return undefined;
  try {
    return JSON.parse(entry.text);
  } catch {
    return undefined;
  }
}
