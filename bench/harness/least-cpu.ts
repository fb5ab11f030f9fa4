/**
 * CPU of each action, us, all threads of this process: the least of many rounds in turn, which is what it takes when nothing else
 * disturbs. For ratios between them; the wall clock is not asked.
 */
export async function leastCpuUs<Name extends string>(
  rounds: number,
  actions: { readonly [name in Name]: () => Promise<void> | void },
): Promise<{ readonly [name in Name]: number }> {
  const names = Object.keys(actions) as Name[];
  const least = Object.fromEntries(names.map((name) => [name, Number.POSITIVE_INFINITY])) as Record<
    Name,
    number
  >;
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const before = process.cpuUsage();
      await actions[name]();
      const { user, system } = process.cpuUsage(before);
      least[name] = Math.min(least[name], user + system);
    }
  }
  return least;
}
