import { bad, type Decoded, good } from "../protocol/decoded.ts";

/** Which serial ports are meant. `text` is how it was written. */
export type PortPattern =
  | { readonly type: "path"; readonly text: string }
  /** Names in one folder; `name` matches a whole name. */
  | { readonly type: "glob"; readonly text: string; readonly folder: string; readonly name: RegExp }
  /** Lower-case hex as in sysfs; the adapter's own serial number where it matters. */
  | {
      readonly type: "usb";
      readonly text: string;
      readonly vendor: string;
      readonly product: string;
      readonly serialNumber?: string;
    };

const USB = /^usb:([0-9a-f]{4}):([0-9a-f]{4})(?:\/(.+))?$/i;

export function parsePortPattern(text: string): Decoded<PortPattern> {
  if (text === "") return bad("a path is missing, as in /dev/ttyUSB0:115200");
  if (text.includes("\0")) return bad("a path must not hold a NUL");
  if (/^usb:/i.test(text)) {
    const [, vendor, product, serialNumber] = USB.exec(text) ?? [];
    if (vendor === undefined || product === undefined) {
      return bad(
        `${text}: must be usb:VENDOR:PRODUCT in four hex digits each, as in usb:0403:6001 (see lsusb)`,
      );
    }
    return good({
      type: "usb",
      text,
      vendor: vendor.toLowerCase(),
      product: product.toLowerCase(),
      ...(serialNumber !== undefined && { serialNumber }),
    });
  }
  if (!/[*?]/.test(text)) return good({ type: "path", text });
  const slash = text.lastIndexOf("/");
  const [folder, name] = [text.slice(0, slash), text.slice(slash + 1)];
  if (slash < 1 || /[*?]/.test(folder)) {
    return bad(`${text}: * and ? may stand in the last part of a whole path only`);
  }
  const pattern = name
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return good({ type: "glob", text, folder, name: new RegExp(`^${pattern}$`) });
}
