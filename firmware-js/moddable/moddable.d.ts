/**
 * The members of Moddable's SDK that the ports use, as the SDK's own declarations have them: moddable-types.test.ts compiles
 * the ports against those where `MODDABLE` names a checkout. What differs from board to board goes through options.
 */

declare module "timer" {
  class Timer {
    private constructor();
    static set: (callback: (timer: Timer) => void, interval?: number, repeat?: number) => Timer;
    static clear: (timer: Timer | undefined | null) => void;
    private brand: boolean;
  }

  export { Timer as default };
}

declare module "time" {
  var Time: { set: (seconds: number) => void };

  export { Time as default };
}

declare module "preference" {
  var Preference: {
    set: (domain: string, key: string, value: string | boolean | number | ArrayBuffer) => void;
    get: (domain: string, key: string) => string | boolean | number | ArrayBuffer | undefined;
    delete: (domain: string, key: string) => void;
  };

  export { Preference as default };
}

declare function trace(...values: string[]): void;

interface ArrayBufferConstructor {
  fromString(text: string): ArrayBuffer;
}

interface StringConstructor {
  fromArrayBuffer(bytes: ArrayBuffer): string;
}
