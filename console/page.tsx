import { useState } from "preact/hooks";
import type { Access } from "./api.ts";
import { LogPage } from "./log-page.tsx";
import { SignIn } from "./sign-in.tsx";

/** The key stays in this tab: neither in the URL nor on disk. */
const ACCESS_ITEM = "boardlog-access";

export function Page() {
  const [access, setAccess] = useState(keptAccess);
  const [problem, setProblem] = useState("");
  const signIn = (given: Access): void => {
    sessionStorage.setItem(ACCESS_ITEM, JSON.stringify(given));
    setAccess(given);
  };
  const signOut = (words: string): void => {
    sessionStorage.removeItem(ACCESS_ITEM);
    setProblem(words);
    setAccess(undefined);
  };
  if (access === undefined) return <SignIn problem={problem} onAccess={signIn} />;
  return <LogPage access={access} onSignOut={signOut} />;
}

function keptAccess(): Access | undefined {
  const { key, project } = JSON.parse(sessionStorage.getItem(ACCESS_ITEM) ?? "{}") as Partial<Access>;
  return key === undefined || project === undefined ? undefined : { key, project };
}
