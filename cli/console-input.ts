import { fstatSync, readFileSync } from "node:fs";
import { isatty } from "node:tty";

const CTRL_A = 1;

/**
 * The user's end of the console. A file on stdin is read at once, so that a run repeats exactly; a terminal or a pipe
 * is passed on as its bytes come. A terminal is put into raw mode, where Ctrl-A x ends the run, as in QEMU.
 */
export class ConsoleInput {
  /** Bytes may still come. */
  open = false;
  /** The user typed Ctrl-A x. */
  quit = false;
  private readonly queue: Uint8Array[] = [];
  private wake: () => void = () => {};
  private escaped = false;

  constructor() {
    const kind = stdinKind();
    if (kind === "none") return;
    if (kind === "file") {
      this.queue.push(readFileSync(0));
      return;
    }
    this.open = true;
    const { stdin } = process;
    if (stdin.isTTY) stdin.setRawMode(true);
    stdin.on("data", (bytes: Buffer) => this.arrived(stdin.isTTY ? this.filter(bytes) : bytes));
    stdin.on("end", () => this.ended());
    stdin.on("error", () => this.ended());
  }

  private arrived(bytes: Uint8Array): void {
    if (bytes.length > 0) this.queue.push(bytes);
    this.wake();
  }

  private ended(): void {
    this.open = false;
    this.wake();
  }

  /** Ctrl-A x quits, Ctrl-A Ctrl-A is one Ctrl-A. */
  private filter(bytes: Uint8Array): Uint8Array {
    const kept: number[] = [];
    for (const byte of bytes) {
      if (this.escaped) {
        this.escaped = false;
        if (byte === 0x78) this.quit = true;
        else kept.push(byte);
      } else if (byte === CTRL_A) this.escaped = true;
      else kept.push(byte);
    }
    return Uint8Array.from(kept);
  }

  /** What has come since the last call. */
  take(): Uint8Array[] {
    return this.queue.splice(0);
  }

  /** Resolves when bytes come, input ends, or `ms` have passed. */
  async wait(ms: number): Promise<void> {
    if (this.queue.length > 0 || this.quit) return;
    await new Promise<void>((resolve) => {
      const timer = ms === Infinity ? undefined : setTimeout(resolve, ms);
      this.wake = () => { clearTimeout(timer); resolve(); };
    });
    this.wake = () => {};
  }

  /** Gives the terminal back and lets the process end. */
  close(): void {
    if (!this.open) return;
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    process.stdin.destroy();
    this.open = false;
  }
}

/** Without `process.stdin`, which is a stream to be made first. */
function stdinKind(): "none" | "file" | "stream" {
  try {
    const stat = fstatSync(0);
    if (stat.isFile()) return "file";
    return stat.isCharacterDevice() && !isatty(0) ? "none" : "stream";
  } catch {
    return "none";
  }
}
