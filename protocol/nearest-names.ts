const NAMES_MAX = 3;

/** The names nearest to what was typed, best first; those too far off are left out. */
export function nearestNames(typed: string, names: readonly string[]): readonly string[] {
  const lower = typed.toLowerCase();
  return names
    .map((name) => ({ name, distance: nearness(lower, name.toLowerCase()) }))
    .filter(({ distance }) => distance <= Math.max(2, Math.floor(lower.length / 3)))
    .sort((left, right) => left.distance - right.distance)
    .slice(0, NAMES_MAX)
    .map(({ name }) => name);
}

function nearness(typed: string, name: string): number {
  // `//host/path` is also known by its path.
  if (typed !== "" && name.includes(typed)) return 0;
  return editDistance(typed, name);
}

/** Levenshtein's. Names are 256 bytes at most. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const cost = left[i - 1] === right[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + cost));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
