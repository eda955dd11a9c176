import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const PROGRAM = fileURLToPath(new URL("../../../cli/trivisor.js", import.meta.url));
export const BARE = fileURLToPath(new URL("../../../guest/images/guest-bare.elf", import.meta.url));
export const XEN = fileURLToPath(new URL("../../../guest/images/guest-xen.elf", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line as a user types it. */
export function trivisor(args: readonly string[], input: string | Uint8Array = "", nodeFlags: readonly string[] = []): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...nodeFlags, PROGRAM, ...args], { input, encoding: "latin1", timeout: 60_000 });
  return { code: status, out: stdout, err: stderr };
}

/** A folder for a test's files, and the way to be rid of it. */
export class Scratch {
  readonly folder = mkdtempSync(join(tmpdir(), "trivisor-test-"));

  path(name: string): string {
    return join(this.folder, name);
  }

  file(name: string, bytes: Uint8Array | string): string {
    writeFileSync(this.path(name), bytes);
    return this.path(name);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
