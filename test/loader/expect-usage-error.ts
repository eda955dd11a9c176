import * as assert from "uvu/assert";
import { UsageError } from "../../hypervisor/errors.js";

/** The call must fail as bad usage: a UsageError whose message is one line and matches. */
export function expectUsageError(call: () => unknown, message: RegExp): void {
  try {
    call();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    assert.match(error.message, message);
    assert.not.match(error.message, /\n/);
    return;
  }
  assert.unreachable(`no error, expected ${message}`);
}
