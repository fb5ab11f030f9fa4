/** Something the user can put right; shown as one line without a stack, exit status 2 (wrong usage), 1 (the world) or 130 (it was stopped). */
export class UserError extends Error {
  readonly exitStatus: 1 | 2 | 130;
  constructor(text: string, exitStatus: 1 | 2 | 130 = 2) {
    super(text);
    this.name = "UserError";
    this.exitStatus = exitStatus;
  }
}
