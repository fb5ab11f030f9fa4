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
    expect(parseSerialSetting(text)).toEqual({
      ok: true,
      value: { pattern: { type: "path", text: path }, baud },
    });
  });

  test("a board's console is said at the end, with or without a baud rate", () => {
    const console = (text: string) => {
      const parsed = parseSerialSetting(text);
      return parsed.ok && [parsed.value.pattern, parsed.value.baud, parsed.value.isConsole];
    };
    const acm = { type: "path", text: "/dev/ttyACM0" };
    expect(console("/dev/ttyACM0:console")).toEqual([acm, 115_200, true]);
    expect(console("/dev/ttyACM0:9600:console")).toEqual([acm, 9_600, true]);
    expect(console("/dev/console")).toEqual([{ type: "path", text: "/dev/console" }, 115_200, undefined]);
    expect(console("usb:0403:6001:console")).toMatchObject([{ product: "6001" }, 115_200, true]);
  });

  test("USB vendor and product, with a serial number or a baud rate where they matter", () => {
    const usb = { type: "usb", vendor: "0403", product: "6001" };
    expect(parseSerialSetting("usb:0403:6001")).toMatchObject({
      ok: true,
      value: { pattern: usb, baud: 115_200 },
    });
    expect(parseSerialSetting("usb:0403:6001:9600")).toMatchObject({
      ok: true,
      value: { pattern: usb, baud: 9_600 },
    });
    expect(parseSerialSetting("USB:10C4:EA60/0001:57600")).toMatchObject({
      ok: true,
      value: { pattern: { vendor: "10c4", product: "ea60", serialNumber: "0001" }, baud: 57_600 },
    });
  });

  test("a glob in the last part of a path", () => {
    const parsed = parseSerialSetting("/dev/serial/by-id/usb-FTDI_*-if0?-port0:9600");
    expect(parsed).toMatchObject({
      ok: true,
      value: { pattern: { folder: "/dev/serial/by-id" }, baud: 9_600 },
    });
    const pattern = parsed.ok && parsed.value.pattern.type === "glob" ? parsed.value.pattern.name : /^$/;
    expect("usb-FTDI_FT232R_A5-if00-port0").toMatch(pattern);
    expect("usb-FTDIxFT232R_A5-if00-port0").not.toMatch(pattern);
    expect("usb-FTDI_FT232R_A5-if00-port0.1").not.toMatch(pattern);
  });

  test.each(["usb:403:6001", "usb:0403", "usb:0403:6001:", "ttyUSB*", "/dev/*/x", "/*/ttyUSB0"])(
    "%j is no pattern, and the words say how one is written",
    (text) => {
      expect(parseSerialSetting(text)).toMatchObject({
        ok: false,
        problem: { text: /usb:0403:6001|last part/ },
      });
    },
  );

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
