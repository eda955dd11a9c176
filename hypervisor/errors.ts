/**
 * Bad usage or a bad image: the message is one clear line for the user, and the
 * command line exits with code 2. Anything else that is thrown is a bug of ours.
 */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
