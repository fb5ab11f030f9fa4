import { useState } from "preact/hooks";
import { type Access, getSources, Refused } from "./api.ts";

/** Asks for the key; it goes to the service in a header, and stays in this tab. */
export function SignIn(props: { readonly problem: string; readonly onAccess: (access: Access) => void }) {
  const [problem, setProblem] = useState(props.problem);
  const [isBusy, setIsBusy] = useState(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const access = { key: String(form.get("key")).trim(), project: String(form.get("project")).trim() };
    setIsBusy(true);
    try {
      await getSources(access);
      props.onAccess(access);
    } catch (error) {
      setProblem(wordsOf(error));
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <main class="card">
      <h1>boardlog</h1>
      <form onSubmit={submit}>
        <label for="key">API key</label>
        <input id="key" name="key" type="password" autocomplete="off" spellcheck={false} required />
        <label for="project">Project</label>
        <input id="project" name="project" value="default" autocomplete="off" required />
        <p>
          On the machine that runs boardlog the key is in the file <code>api-key</code> of the data folder:{" "}
          <code>cat boardlog-data/api-key</code>. It stays in this tab and is never part of an address.
        </p>
        <button type="submit" class="primary" disabled={isBusy}>
          Show the log
        </button>
        <p role="alert" class="problem">
          {problem}
        </p>
      </form>
    </main>
  );
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Refused)) return "The service does not answer. Is it running?";
  if (error.status === 401) return "The service does not know this key.";
  return `The service refuses: ${error.message}.`;
}
