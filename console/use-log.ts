import { useEffect, useRef, useState } from "preact/hooks";
import type { Access } from "./api.ts";
import type { Entry } from "./entry.ts";
import type { Filter } from "./filter.ts";
import { LogModel } from "./log-model.ts";

export interface LogHandle {
  readonly model: LogModel | undefined;
  readonly prepended: { readonly count: number; readonly version: number };
  readonly refusal: string;
}

/** The log under a filter; drawn at most once an animation frame, however fast lines come. */
export function useLog(
  access: Access,
  filter: Filter,
  line: string | undefined,
  arrived: (entries: readonly Entry[]) => void,
): LogHandle {
  const [handle, setHandle] = useState<LogHandle>({
    model: undefined,
    prepended: { count: 0, version: 0 },
    refusal: "",
  });
  const onArrived = useRef(arrived);
  onArrived.current = arrived;
  useEffect(() => {
    let frame = 0;
    let prependedCount = 0;
    let refusal = "";
    const draw = (): void => {
      frame = 0;
      const count = prependedCount;
      prependedCount = 0;
      setHandle(({ prepended }) => ({
        model,
        prepended: count === 0 ? prepended : { count, version: prepended.version + 1 },
        refusal,
      }));
    };
    const changed = (prepended: number): void => {
      prependedCount += prepended;
      if (frame === 0) frame = requestAnimationFrame(draw);
    };
    const model = new LogModel(access, filter, {
      changed,
      refused: (words) => {
        refusal = words;
        changed(0);
      },
      arrived: (entries) => onArrived.current(entries),
    });
    model.start(line);
    changed(0);
    return () => {
      model.stop();
      cancelAnimationFrame(frame);
    };
  }, [access, filter, line]);
  return handle;
}
