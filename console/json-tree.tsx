import { visible } from "./shown-text.ts";

/** Members shown of one object or array; a hostile one may have a million. */
const MEMBERS_MAX = 500;
const DEPTH_OPEN = 1;

/** An object or array as a folding tree. Numbers are those of JavaScript; "Copy as JSON" has them as they came. */
export function JsonTree({
  name,
  value,
  depth = 0,
}: {
  readonly name?: string;
  readonly value: unknown;
  readonly depth?: number;
}) {
  const label = name === undefined ? null : <span class="key">{visible(name)}: </span>;
  if (typeof value !== "object" || value === null) {
    return (
      <div class="leaf">
        {label}
        <bdi class={`json-${value === null ? "null" : typeof value}`}>{visible(JSON.stringify(value))}</bdi>
      </div>
    );
  }
  const members = Object.entries(value);
  const isArray = Array.isArray(value);
  return (
    <details class="tree" open={depth < DEPTH_OPEN}>
      <summary>
        {label}
        {isArray ? `[${members.length}]` : `{${members.length}}`}
      </summary>
      {members.slice(0, MEMBERS_MAX).map(([key, member]) => (
        <JsonTree key={key} name={key} value={member} depth={depth + 1} />
      ))}
      {members.length > MEMBERS_MAX && <div class="leaf">and {members.length - MEMBERS_MAX} more</div>}
    </details>
  );
}
