import { closeSync, openSync, writeSync } from "node:fs";
import { UsageError } from "../hypervisor/errors.js";

const CAPACITY = 4096, NEWLINE = 10, RETRY_MS = 2;

/** Bytes to a file descriptor in the order they come: out at each line's end, and whenever `flush` is called. */
export class ByteSink {
  private readonly fd: number;
  private readonly buffer = new Uint8Array(CAPACITY);
  private used = 0;
  /** The reader has gone. */
  broken = false;

  constructor(fd: number) {
    this.fd = fd;
  }

  push(byte: number): void {
    this.buffer[this.used++] = byte;
    if (byte === NEWLINE || this.used === CAPACITY) this.flush();
  }

  flush(): void {
    for (let done = 0; done < this.used && !this.broken;) done += this.write(done);
    this.used = 0;
  }

  private write(from: number): number {
    try {
      return writeSync(this.fd, this.buffer, from, this.used - from);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code === "EAGAIN") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      else this.broken = true;
      return 0;
    }
  }
}

/** A file the user wants written at the end, opened now so that a path that is no good is known before the work. */
export class OutputFile {
  private readonly fd: number;
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    try {
      this.fd = openSync(path, "w");
    } catch (error) {
      throw new UsageError(`${path} cannot be written: ${explain(error)}`);
    }
  }

  /** Writes all of it. */
  finish(contents: string | Uint8Array): void {
    try {
      const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
      for (let done = 0; done < bytes.length;) done += writeSync(this.fd, bytes, done);
      closeSync(this.fd);
    } catch (error) {
      throw new UsageError(`${this.path} cannot be written: ${explain(error)}`);
    }
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "its folder does not exist", ENOTDIR: "its folder does not exist", EACCES: "permission denied", EPERM: "permission denied", EISDIR: "it is a directory",
  EROFS: "the file system is read-only", ENOSPC: "the disk is full", EEXIST: "a file is in the way",
};

/** A system error in words. */
export function explain(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return REASONS[code] ?? (code || String(error));
}
