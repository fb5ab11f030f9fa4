import { bad, type Decoded, good } from "../protocol/decoded.ts";

/** What stands in the place of `<project>` and `<device>`. */
export interface TopicValues {
  readonly project?: string;
  readonly device?: string;
}

/** One level's worth of a name: no separators, wildcards, control characters or bytes that were no UTF-8 (docs/protocol.md 8.2). */
const VALUE = "([^/+#\\u0000-\\u001f\\u007f\\ufffd]+)";
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are refused in topics.
const IS_VALUE = /^[^/+#\u0000-\u001f\u007f\ufffd]+$/;
const PLACE = /<(\w+)>/g;
const PLACES: readonly string[] = ["project", "device"];
/** Topics in the field have up to six levels; aedes and Mosquitto take some 200. */
const LEVELS_MAX = 32;
const TEMPLATE_CHARS_MAX = 512;

/** A topic with places for names (docs/protocol.md 8.8): reads topics, makes them, and is a subscription. */
export class TopicTemplate {
  readonly text: string;
  readonly places: readonly string[];
  readonly #pattern: RegExp;

  private constructor(text: string, places: readonly string[]) {
    this.text = text;
    this.places = places;
    const parts = text.split(PLACE).map((part, index) => (index % 2 === 1 ? VALUE : escapeRegExp(part)));
    this.#pattern = new RegExp(`^${parts.join("")}$`);
  }

  static parse(text: string): Decoded<TopicTemplate> {
    const places = Array.from(text.matchAll(PLACE), ([, name = ""]) => name);
    const unknown = places.find((name) => !PLACES.includes(name));
    if (unknown !== undefined) return bad(`<${unknown}> is no place; there are <project> and <device>`);
    if (new Set(places).size < places.length) return bad("a place may stand there once");
    if (text === "" || text.length > TEMPLATE_CHARS_MAX) return bad("must have 1 to 512 characters");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are refused in topics.
    if (/[+#\u0000-\u001f\u007f]/.test(text)) {
      return bad("must not hold wildcards or control characters; <device> stands for any board");
    }
    const levels = text.split("/");
    if (levels.length > LEVELS_MAX) return bad(`must have at most ${LEVELS_MAX} levels`);
    if (levels.some((level) => (level.match(PLACE)?.length ?? 0) > 1)) {
      return bad("a level may hold one place only");
    }
    return good(new TopicTemplate(text, places));
  }

  /** For templates that are written in the code. */
  static of(text: string): TopicTemplate {
    const parsed = TopicTemplate.parse(text);
    if (!parsed.ok) throw new TypeError(parsed.problem.text);
    return parsed.value;
  }

  has(place: keyof TopicValues): boolean {
    return this.places.includes(place);
  }

  /** The names in a concrete topic, or undefined where it is another topic. */
  match(topic: string): TopicValues | undefined {
    const found = this.#pattern.exec(topic);
    if (found === null) return undefined;
    return Object.fromEntries(this.places.map((name, index) => [name, found[index + 1]]));
  }

  /** The topic with these names, or undefined where one is missing or cannot stand in a topic. */
  fill(values: TopicValues): string | undefined {
    let isWhole = true;
    const topic = this.text.replace(PLACE, (_place, name: keyof TopicValues) => {
      const value = values[name];
      if (value !== undefined && IS_VALUE.test(value)) return value;
      isWhole = false;
      return "";
    });
    return isWhole ? topic : undefined;
  }

  /** The subscription that hears it; names that are not given become wildcards. */
  filter(values: TopicValues): string {
    return this.text
      .split("/")
      .map((level) => {
        const place = /<(\w+)>/.exec(level)?.[1] as keyof TopicValues | undefined;
        if (place === undefined) return level;
        const value = values[place];
        return value === undefined ? "+" : level.replace(PLACE, () => value);
      })
      .join("/");
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
