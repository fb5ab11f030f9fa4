/** What processes over one cluster say to each other, kept by nobody: who does not listen does not hear it. */
export interface PeerLine {
  /**
   * Puts a question to all that serve the subject, this process too.
   * @param onAnswer called with each answer, any number of each, until closed.
   */
  ask(subject: string, question: Uint8Array, onAnswer: (answer: Uint8Array) => void): { close(): void };
  /** Calls `listener` with each question that is asked from now on. */
  serve(
    subject: string,
    listener: (question: Uint8Array, answer: (answer: Uint8Array) => void) => void,
  ): void;
}
