import { describe, expect, it } from "vitest";
import { parseDuration, parseTime } from "../../cli/time-argument.ts";

const NOW = new Date(2025, 10, 22, 15, 30, 0).getTime();
const at = (text: string): string => {
  const date = new Date(parseTime("--since", text, NOW));
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()} ${date.getHours()}:${date.getMinutes()}:${date.getSeconds()}`;
};

describe("times on the command line", () => {
  it("reads what people write", () => {
    expect(at("10m")).toBe("2025-11-22 15:20:0");
    expect(at("1h30m")).toBe("2025-11-22 14:0:0");
    expect(at("2d")).toBe("2025-11-20 15:30:0");
    expect(at("14:05")).toBe("2025-11-22 14:5:0");
    expect(at("today")).toBe("2025-11-22 0:0:0");
    expect(at("yesterday")).toBe("2025-11-21 0:0:0");
    expect(at("2025-11-01")).toBe("2025-11-1 0:0:0");
    expect(at("2025-11-01 07:08:09")).toBe("2025-11-1 7:8:9");
    expect(parseTime("--since", "2025-11-22T04:00:00Z", NOW)).toBe(1_763_784_000_000);
    expect(parseTime("--since", "1763784000000", NOW)).toBe(1_763_784_000_000);
  });

  it("refuses the rest, naming the option", () => {
    for (const text of ["", "soon", "10", "10x", "25:00", "12:60", "2025-13-01", "-5m", "1e3m", "10 m ago"]) {
      expect(() => parseTime("--until", text, NOW), text).toThrow(/^--until: /);
    }
  });

  it("reads durations whole or not at all", () => {
    expect(parseDuration("1w2d")).toBe(9 * 86_400_000);
    expect(parseDuration("0.5h")).toBe(1_800_000);
    for (const text of ["m", "5", "5m!", "5mm"]) expect(parseDuration(text), text).toBeUndefined();
  });
});
