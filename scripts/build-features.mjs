/** The build options (docs/agent.md): each is a constant in the sources, and what is off leaves no byte behind. */
export const FEATURES = [
  "plain",
  "shared",
  "clock",
  "fold",
  "levels",
  "reserve",
  "words",
  "parts",
  "direct",
  "stop",
  "unacked",
  "lab",
];

/** What esbuild's `define` takes. */
export function featureConstants(features) {
  const unknown = features.find((one) => !FEATURES.includes(one));
  if (unknown !== undefined) throw new RangeError(`no build option is called ${unknown}`);
  // Plain frames have no parts.
  const isOn = (one) => features.includes(one) && !(one === "parts" && features.includes("plain"));
  return Object.fromEntries(FEATURES.map((one) => [`WITH_${one.toUpperCase()}`, String(isOn(one))]));
}
