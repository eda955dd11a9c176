/** Exit codes of the command line (1: a comparison in which a mode that should be right was not), and the one way to end with an error. */
export const EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CRASH = 3, EXIT_LIMIT = 4;
const EXIT_OURS = 70;

/** One line on stderr; exit code 2 for what the user got wrong. A bug of ours says so and exits with 70. */
export function fail(error: unknown): void {
  if (error instanceof Error && error.name === "UsageError") {
    process.stderr.write(`trivisor: ${error.message.replace(/\s*\n\s*/g, " ")}\n`);
    process.exitCode = EXIT_USAGE;
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`trivisor: internal error: ${message} (TRIVISOR_DEBUG=1 shows where)\n`);
  if (process.env["TRIVISOR_DEBUG"] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exitCode = EXIT_OURS;
}
