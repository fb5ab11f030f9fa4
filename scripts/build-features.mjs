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

/** What a port brings with it, beyond the options that one may choose. */
const PORT_FEATURES = ["console", "late"];

/** What esbuild's `define` takes. */
export function featureConstants(features) {
  const known = [...FEATURES, ...PORT_FEATURES];
  const unknown = features.find((one) => !known.includes(one));
  if (unknown !== undefined) throw new RangeError(`no build option is called ${unknown}`);
  // Plain frames have no parts.
  const isOn = (one) => features.includes(one) && !(one === "parts" && features.includes("plain"));
  return Object.fromEntries(known.map((one) => [`WITH_${one.toUpperCase()}`, String(isOn(one))]));
}
