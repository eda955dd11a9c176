/**
 * Where a disk's sectors live. Every front end (IDE, the block ring) reads and writes through this.
 * Back ends answer at once; how long a disk takes is the front end's business (disk-timing.ts).
 */
import * as fs from "node:fs";
import { UsageError } from "../errors.js";

export const SECTOR_SIZE = 512;

export interface BlockBackend {
  /** Capacity in 512-byte sectors. */
  readonly sectors: number;
  /** Whether `write` refuses; a front end reports a write-protected medium. */
  readonly readOnly: boolean;
  /** Reads `count` sectors from `lba` into a buffer of at least count * 512 bytes. */
  read(lba: number, count: number, into: Uint8Array): void;
  /** Writes `count` sectors at `lba` from a buffer of at least count * 512 bytes. */
  write(lba: number, count: number, from: Uint8Array): void;
  /** Makes what was written last. */
  flush(): void;
}

/** A front end checks ranges itself and tells the guest; a range that is wrong here is our bug. */
function checkRange(backend: BlockBackend, lba: number, count: number, buffer: Uint8Array): void {
  if (!(lba >= 0 && count >= 0 && lba + count <= backend.sectors)) {
    throw new RangeError(`sectors ${lba}+${count} are outside a disk of ${backend.sectors}`);
  }
  if (buffer.length < count * SECTOR_SIZE) throw new RangeError(`${buffer.length} bytes do not hold ${count} sectors`);
}

/** Sectors copied together when one of them is first written. */
const CHUNK_SECTORS = 8;

/** A disk in memory: zeros, or a base that is read through until a sector is written. */
export class MemoryBackend implements BlockBackend {
  readonly sectors: number;
  readonly readOnly = false;
  private readonly base: BlockBackend | undefined;
  private readonly chunks = new Map<number, Uint8Array>();

  /** `source`: a number of zero sectors, the disk's bytes (kept, not copied, never changed), or a base. */
  constructor(source: number | Uint8Array | BlockBackend) {
    if (typeof source === "number") this.sectors = source;
    else if (source instanceof Uint8Array) {
      this.base = bytesBackend(source);
      this.sectors = this.base.sectors;
    } else {
      this.base = source;
      this.sectors = source.sectors;
    }
  }

  read(lba: number, count: number, into: Uint8Array): void {
    checkRange(this, lba, count, into);
    for (let i = 0; i < count; i++) {
      const target = into.subarray(i * SECTOR_SIZE, (i + 1) * SECTOR_SIZE);
      const chunk = this.chunks.get(Math.floor((lba + i) / CHUNK_SECTORS));
      if (chunk) {
        const start = ((lba + i) % CHUNK_SECTORS) * SECTOR_SIZE;
        target.set(chunk.subarray(start, start + SECTOR_SIZE));
      } else if (this.base) this.base.read(lba + i, 1, target);
      else target.fill(0);
    }
  }

  write(lba: number, count: number, from: Uint8Array): void {
    checkRange(this, lba, count, from);
    for (let i = 0; i < count; i++) {
      const chunk = this.ownChunk(Math.floor((lba + i) / CHUNK_SECTORS));
      chunk.set(from.subarray(i * SECTOR_SIZE, (i + 1) * SECTOR_SIZE), ((lba + i) % CHUNK_SECTORS) * SECTOR_SIZE);
    }
  }

  flush(): void {}

  private ownChunk(index: number): Uint8Array {
    let chunk = this.chunks.get(index);
    if (!chunk) {
      chunk = new Uint8Array(CHUNK_SECTORS * SECTOR_SIZE);
      const first = index * CHUNK_SECTORS;
      this.base?.read(first, Math.min(CHUNK_SECTORS, this.sectors - first), chunk);
      this.chunks.set(index, chunk);
    }
    return chunk;
  }
}

/** Bytes as a read-only disk; a last part sector is filled with zeros. */
function bytesBackend(bytes: Uint8Array): BlockBackend {
  return {
    sectors: Math.ceil(bytes.length / SECTOR_SIZE),
    readOnly: true,
    read(lba, count, into) {
      const part = bytes.subarray(lba * SECTOR_SIZE, (lba + count) * SECTOR_SIZE);
      into.set(part);
      into.fill(0, part.length, count * SECTOR_SIZE);
    },
    write() { throw new Error("these bytes are a base, not a disk"); },
    flush() {},
  };
}

/** A disk image file; a last part sector reads as if zeros followed. */
export class FileBackend implements BlockBackend {
  readonly sectors: number;
  readonly readOnly: boolean;
  private readonly fd: number;

  /** Opens an image. Throws UsageError when it cannot be used as a disk. */
  constructor(path: string, options: { readOnly?: boolean } = {}) {
    this.readOnly = options.readOnly ?? false;
    const stat = attempt(path, () => fs.statSync(path));
    if (stat.isDirectory()) throw new UsageError(`disk ${path} is a directory`);
    if (!stat.isFile()) throw new UsageError(`disk ${path} is not a regular file`);
    if (stat.size === 0) throw new UsageError(`disk ${path} is empty`);
    this.sectors = Math.ceil(stat.size / SECTOR_SIZE);
    this.fd = attempt(path, () => fs.openSync(path, this.readOnly ? "r" : "r+"));
  }

  read(lba: number, count: number, into: Uint8Array): void {
    checkRange(this, lba, count, into);
    const length = count * SECTOR_SIZE;
    let done = 0;
    while (done < length) {
      const n = fs.readSync(this.fd, into, done, length - done, lba * SECTOR_SIZE + done);
      if (n === 0) break;
      done += n;
    }
    into.fill(0, done, length);
  }

  write(lba: number, count: number, from: Uint8Array): void {
    checkRange(this, lba, count, from);
    if (this.readOnly) throw new Error("the disk is read-only");
    const length = count * SECTOR_SIZE;
    for (let done = 0; done < length;) {
      done += fs.writeSync(this.fd, from, done, length - done, lba * SECTOR_SIZE + done);
    }
  }

  flush(): void {
    if (!this.readOnly) fs.fdatasyncSync(this.fd);
  }

  /** Gives the file back to the host. */
  close(): void {
    fs.closeSync(this.fd);
  }
}

/** Runs a host file operation on an image the user named; its failure is the user's, in one line. */
function attempt<T>(path: string, operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") throw new UsageError(`disk ${path} does not exist`);
    if (code === "EACCES" || code === "EPERM") throw new UsageError(`disk ${path} may not be opened: permission denied`);
    if (code === "EROFS") throw new UsageError(`disk ${path} is read-only`);
    throw new UsageError(`disk ${path} cannot be opened: ${code ?? String(error)}`);
  }
}
