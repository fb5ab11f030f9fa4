import { describe, expect, test } from "vitest";
import { explainOpenError, groupName, permissionAdvice } from "../../gateway/serial-port-error.ts";
import { parseSerialSetting } from "../../gateway/serial-setting.ts";

describe("PATH[:BAUD]", () => {
  test.each([
    ["/dev/ttyUSB0", "/dev/ttyUSB0", 115_200],
    ["/dev/ttyUSB0:9600", "/dev/ttyUSB0", 9_600],
    [
      "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0",
      "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0",
      115_200,
    ],
    [
      "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0:921600",
      "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0",
      921_600,
    ],
  ])("%s", (text, path, baud) => {
    expect(parseSerialSetting(text)).toEqual({ ok: true, value: { path, baud } });
  });

  test.each(["", ":9600", "/dev/ttyUSB0:0", "/dev/ttyUSB0:99999999", "/dev/tty\0USB0"])(
    "%j is refused",
    (text) => {
      expect(parseSerialSetting(text)).toMatchObject({ ok: false, problem: { text: /^serial: / } });
    },
  );
});

describe("a port that does not open", () => {
  test("where the right is missing, the group that has it is named", async () => {
    expect(groupName("root:x:0:\ndialout:x:20:pi\n", 20)).toBe("dialout");
    expect(groupName("root:x:0:\n", 20)).toBeUndefined();
    expect(permissionAdvice("dialout")).toContain("sudo usermod -aG dialout USER");
    const error = new Error("Error: Permission denied, cannot open /dev/null");
    expect(await explainOpenError("/dev/null", error)).toContain("it belongs to group root");
  });
});
